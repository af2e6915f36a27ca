"""What a broker keeps: exchanges, queues, and the ways of messages between them."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from voxtrace.testing.exchanges import PREDECLARED, TYPES, Binding, Exchange
from voxtrace.testing.messages import Message, cycles, dead
from voxtrace.testing.queues import Consumer, MessageQueue
from voxtrace.testing.refusals import (
    RefusalError,
    access_refused,
    inequivalent,
    locked,
    not_found,
    precondition_failed,
)

if TYPE_CHECKING:
    from voxtrace.testing.sessions import Session

# The arguments that must be the same at every declaration, of those that mean something here.
_QUEUE_ARGUMENTS: Final = (
    "x-message-ttl",
    "x-max-length",
    "x-overflow",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-queue-type",
    "x-delivery-limit",
)


def _predeclared() -> dict[str, Exchange]:
    return {name: Exchange(name=name, type=kind, durable=True) for name, kind in PREDECLARED.items()}


@dataclass(slots=True, kw_only=True, eq=False)
class VirtualHost:
    """The one virtual host of an in-memory broker; whoever calls it holds the broker's lock."""

    now: Callable[[], float]
    queues: dict[str, MessageQueue] = field(default_factory=dict)
    exchanges: dict[str, Exchange] = field(default_factory=_predeclared)
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def queue(self, name: str, session: "Session") -> MessageQueue:
        """The queue of that name, as far as this connection may use it."""
        queue = self.queues.get(name)
        if queue is None:
            raise not_found("queue", name)
        if queue.owner not in {None, session}:
            raise locked(name)
        return queue

    def exchange(self, name: str) -> Exchange:
        """The exchange of that name."""
        if (exchange := self.exchanges.get(name)) is None:
            raise not_found("exchange", name)
        return exchange

    def declare_queue(
        self,
        name: str,
        session: "Session",
        *,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Mapping[str, Any],
    ) -> MessageQueue:
        """Makes a queue, or finds that it is there and the same."""
        wanted = MessageQueue(
            name=name or f"amq.gen-{next(self._names):022}",
            durable=durable,
            auto_delete=auto_delete,
            owner=session if exclusive else None,
            arguments=arguments,
        )
        if name not in self.queues:
            if name.startswith("amq."):
                raise access_refused(f"queue name '{name}' contains reserved prefix 'amq.*'")
            self.queues[wanted.name] = wanted
            return wanted
        queue = self.queue(name, session)
        for argument in ("durable", "auto_delete"):
            _same(argument, "queue", name, getattr(wanted, argument), getattr(queue, argument))
        if wanted.owner is not queue.owner:
            raise inequivalent("exclusive", "queue", name, exclusive, queue.owner is not None)
        for argument in _QUEUE_ARGUMENTS:
            _same(argument, "queue", name, arguments.get(argument), queue.arguments.get(argument))
        return queue

    def delete_queue(self, queue: MessageQueue) -> None:
        """Removes a queue with its bindings; its consumers are told."""
        self.queues.pop(queue.name, None)
        for exchange in self.exchanges.values():
            exchange.forget(queue)
        for consumer in list(queue.consumers):
            consumer.channel.cancelled(consumer)
        queue.consumers.clear()
        self._sweep()

    def forget_consumer(self, consumer: Consumer) -> None:
        """Removes a consumer, and with the last one a queue that lives for its consumers."""
        queue = consumer.queue
        if consumer in queue.consumers:
            queue.consumers.remove(consumer)
            if queue.auto_delete and not queue.consumers:
                self.delete_queue(queue)

    def declare_exchange(self, wanted: Exchange) -> None:
        """Makes an exchange, or finds that it is there and the same."""
        if wanted.type not in TYPES:
            raise RefusalError(503, f"COMMAND_INVALID - unknown exchange type '{wanted.type}'", fatal=True)
        present = self.exchanges.get(wanted.name)
        if present is None:
            if wanted.name.startswith("amq."):
                raise access_refused(f"exchange name '{wanted.name}' contains reserved prefix 'amq.*'")
            self.exchanges[wanted.name] = wanted
            return
        for argument in ("type", "durable", "auto_delete", "internal"):
            _same(argument, "exchange", wanted.name, getattr(wanted, argument), getattr(present, argument))

    def delete_exchange(self, name: str, *, if_unused: bool) -> None:
        """Removes an exchange, if it is there."""
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if name in PREDECLARED:
            raise access_refused(f"exchange name '{name}' contains reserved prefix 'amq.*'")
        if if_unused and exchange.bindings:
            raise precondition_failed(f"exchange '{name}' in vhost '/' in use")
        del self.exchanges[name]
        for other in self.exchanges.values():
            other.forget(exchange)

    def bind(self, source: str, binding: Binding, *, add: bool) -> None:
        """Adds or removes a binding."""
        if not source:
            raise access_refused("operation not permitted on the default exchange")
        exchange = self.exchange(source)
        if add:
            exchange.bind(binding)
        else:
            exchange.unbind(binding)
            self._sweep()

    def route(self, message: Message) -> list[MessageQueue]:
        """The queues that a message reaches, each once."""
        found: dict[MessageQueue, None] = {}
        seen: set[str] = set()
        pending = [self.exchange(message.exchange)]
        while pending:
            exchange = pending.pop()
            if exchange.name in seen:
                continue
            seen.add(exchange.name)
            targets: list[MessageQueue | Exchange] = exchange.matching(message.routing_key, message.headers)
            if not exchange.name and message.routing_key in self.queues:
                targets = [self.queues[message.routing_key]]
            alternate = exchange.arguments.get("alternate-exchange")
            if not targets and alternate in self.exchanges:
                targets = [self.exchanges[alternate]]
            for target in targets:
                if isinstance(target, Exchange):
                    pending.append(target)
                else:
                    found[target] = None
        return list(found)

    def enqueue(self, queue: MessageQueue, message: Message) -> None:
        """Puts a message into a queue, and from there into a consumer's hands if one is free."""
        queue.put(message, self.now())
        queue.dispatch()
        for surplus in queue.surplus():
            self.bury(queue, surplus, "maxlen")

    def give_back(self, queue: MessageQueue, message: Message) -> None:
        """Takes an unsettled message back, unless it has been back too often."""
        if queue.name not in self.queues:
            return
        if queue.exhausted(message):
            self.bury(queue, message, "delivery_limit")
        else:
            queue.put_back(message)

    def bury(self, queue: MessageQueue, message: Message, reason: str) -> None:
        """Sends a message to the dead-letter exchange of its queue, if it has one; else it is gone."""
        name = queue.arguments.get("x-dead-letter-exchange")
        if name not in self.exchanges:
            return
        letter = dead(message, queue.name, reason, self.now())
        letter.exchange = name
        letter.routing_key = queue.arguments.get("x-dead-letter-routing-key", message.routing_key)
        for target in self.route(letter):
            if reason == "rejected" or not cycles(letter, target.name):
                self.enqueue(target, letter.copy())

    def expire(self) -> None:
        """Buries what has outlived its time."""
        for queue in list(self.queues.values()):
            for message in queue.expired(self.now()):
                self.bury(queue, message, "expired")

    def dispatch(self) -> None:
        """Hands out what can be handed out."""
        for queue in list(self.queues.values()):
            queue.dispatch()

    def next_expiry(self) -> float | None:
        """When the next message dies, by the broker's clock."""
        heads = (queue.ready[0].expires for queue in self.queues.values() if queue.ready)
        return min((expires for expires in heads if expires is not None), default=None)

    def _sweep(self) -> None:
        for name, exchange in list(self.exchanges.items()):
            if exchange.auto_delete and not exchange.bindings:
                del self.exchanges[name]


def _same(argument: str, kind: str, name: str, received: object, current: object) -> None:
    if received != current:
        raise inequivalent(argument, kind, name, received, current)
