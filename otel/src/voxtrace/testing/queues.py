"""Queues: what waits, in which order, and who takes it."""

import bisect
import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from voxtrace.testing.messages import Message

if TYPE_CHECKING:
    from voxtrace.testing.channels import Channel
    from voxtrace.testing.sessions import Session

_MILLISECONDS: Final = 1000


@dataclass(slots=True, kw_only=True, eq=False)
class Consumer:
    """One `basic_consume`."""

    tag: str
    queue: "MessageQueue"
    channel: "Channel"
    auto_ack: bool
    exclusive: bool
    prefetch: int
    unsettled: int = 0

    def has_room(self) -> bool:
        """True where neither its own limit nor the channel's is reached."""
        return self.auto_ack or (
            (not self.prefetch or self.unsettled < self.prefetch) and self.channel.has_room()
        )


@dataclass(slots=True, kw_only=True, eq=False)
class MessageQueue:
    """A classic queue, or as much of a quorum queue as can be seen from a client."""

    name: str
    durable: bool = False
    auto_delete: bool = False
    owner: "Session | None" = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    ready: list[Message] = field(default_factory=list)
    consumers: deque[Consumer] = field(default_factory=deque)
    _positions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def quorum(self) -> bool:
        """True where it counts deliveries."""
        return self.arguments.get("x-queue-type") == "quorum"

    @property
    def full(self) -> bool:
        """True where one more message would be too many, in a queue that refuses rather than drops."""
        limit = self.arguments.get("x-max-length")
        refuses = str(self.arguments.get("x-overflow", "")).startswith("reject-publish")
        return refuses and limit is not None and len(self.ready) >= limit

    def put(self, message: Message, now: float) -> None:
        """Takes a message in at the end; its own expiry and the queue's begin to run."""
        message.position = next(self._positions)
        limits = [
            int(limit)
            for limit in (self.arguments.get("x-message-ttl"), message.properties.expiration)
            if limit is not None
        ]
        message.expires = now + min(limits) / _MILLISECONDS if limits else None
        self.ready.append(message)

    def put_back(self, message: Message) -> None:
        """Takes an unsettled message back to its old place."""
        message.returned += 1
        bisect.insort(self.ready, message, key=attrgetter("position"))

    def exhausted(self, message: Message) -> bool:
        """True where a message came back more often than the queue allows."""
        limit = self.arguments.get("x-delivery-limit")
        return self.quorum and limit is not None and message.returned >= limit

    def expired(self, now: float) -> Iterator[Message]:
        """Takes out what has outlived its time; as in RabbitMQ only from the head of the queue."""
        while self.ready and (expires := self.ready[0].expires) is not None and expires <= now:
            yield self.ready.pop(0)

    def surplus(self) -> Iterator[Message]:
        """Takes out, from the head, what is too many."""
        limit = self.arguments.get("x-max-length")
        while limit is not None and len(self.ready) > limit:
            yield self.ready.pop(0)

    def dispatch(self) -> None:
        """Hands messages to consumers in turn, for as long as one has room."""
        while self.ready and (consumer := self._next()) is not None:
            consumer.channel.deliver(consumer, self.ready.pop(0))

    def _next(self) -> Consumer | None:
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.has_room():
                return consumer
        return None
