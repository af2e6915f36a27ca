"""The broker seam in memory: the same promises as RabbitMQ's, for tests and for reading."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from voxtrace_services.core.broker import BrokerUnavailableError, Delivery, ReturnedError, UnroutableError
from voxtrace_services.core.retries import attempt
from voxtrace_services.core.topology import Queue, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from voxtrace_services.core.broker import Handler, Outgoing, StopSignal
    from voxtrace_services.core.retries import RetryPolicy

_POLL_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class _Held:
    due: float
    queue: Queue
    delivery: Delivery


class MemoryBroker:
    """Routes by the real topology; delays, dead letters and redelivery included."""

    def __init__(
        self, *, policy: RetryPolicy, grace: float = 20.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Make an empty broker.

        Args:
            policy: What becomes of failed deliveries; its delays are part of the topology.
            grace: Seconds that running work is given to finish once told to stop.
            clock: What delayed messages wait by.
        """
        self._policy = policy
        self._topology = Topology(policy.delays)
        self._grace = grace
        self._clock = clock
        self._changed = threading.Condition()
        self._queues: dict[str, deque[Delivery]] = defaultdict(deque)
        self._held: list[_Held] = []
        # One generation per (imagined) connection: what an older one was working on is taken back.
        self._generation = 0
        #: While False, publishing fails and nothing is delivered.
        self.available = True

    def publish(self, message: Outgoing) -> None:
        """Queue one message, or raise as a broker would."""
        with self._changed:
            if not self.available:
                raise BrokerUnavailableError("the memory broker is switched off")
            self._route(message)
            self._changed.notify_all()

    def consume(self, queue: str, handler: Handler, stop: StopSignal) -> None:
        """Feed deliveries to `handler` until `stop`."""
        busy = threading.Lock()
        while not stop.is_set():
            generation, delivery = self._next(queue)
            if delivery is not None:
                self._deliver(
                    delivery, partial(self._policy.process, handler=handler), stop, busy, generation
                )

    def check(self) -> None:
        """Raise BrokerUnavailableError while switched off."""
        if not self.available:
            raise BrokerUnavailableError("the memory broker is switched off")

    def close(self) -> None:
        """Nothing to let go of."""

    def drop_connections(self) -> None:
        """Take back every delivery at work, as when the network fails."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def take(self, queue: str) -> list[Delivery]:
        """Remove and give everything that waits in `queue`."""
        with self._changed:
            self._release()
            taken = list(self._queues[queue])
            self._queues[queue].clear()
            return taken

    def _next(self, queue: str) -> tuple[int, Delivery | None]:
        with self._changed:
            self._release()
            if not self.available or not self._queues[queue]:
                self._changed.wait(_POLL_SECONDS)
                return self._generation, None
            return self._generation, self._queues[queue].popleft()

    def _deliver(
        self,
        delivery: Delivery,
        process: Callable[[Delivery], Sequence[Outgoing]],
        stop: StopSignal,
        busy: threading.Lock,
        generation: int,
    ) -> None:
        results: list[Sequence[Outgoing] | None] = []

        def work() -> None:
            with busy:
                try:
                    results.append(process(delivery))
                except ReturnedError:
                    results.append(None)
            with self._changed:
                self._changed.notify_all()

        threading.Thread(target=work, name=f"work-{delivery.queue}", daemon=True).start()
        deadline: float | None = None
        with self._changed:
            while not results and generation == self._generation:
                self._changed.wait(_POLL_SECONDS)
                if stop.is_set():
                    deadline = time.monotonic() + self._grace if deadline is None else deadline
                    if time.monotonic() >= deadline:
                        break
            outcome = results[0] if results else None
            if outcome is not None and generation == self._generation and self.available:
                for message in outcome:
                    self._route(message)
            else:
                back = replace(delivery, redelivered=True, returned=delivery.returned + 1)
                self._queues[delivery.queue].appendleft(back)
            self._changed.notify_all()

    def _route(self, message: Outgoing) -> None:
        bound = [
            queue
            for queue in self._topology.queues
            if queue.exchange == message.exchange
            and (self._is_fanout(message.exchange) or queue.routing_key == message.routing_key)
        ]
        if not bound:
            raise UnroutableError("no queue takes this message: is the topology declared?")
        for queue in bound:
            self._enqueue(queue, _delivery(queue.name, message))

    def _enqueue(self, queue: Queue, delivery: Delivery) -> None:
        delay = queue.arguments.get("x-message-ttl")
        if delay is None:
            self._queues[queue.name].append(delivery)
        else:
            self._held.append(_Held(due=self._clock() + delay / 1000, queue=queue, delivery=delivery))

    def _release(self) -> None:
        now = self._clock()
        due, self._held = (
            [held for held in self._held if held.due <= now],
            [held for held in self._held if held.due > now],
        )
        for held in due:
            target = held.queue.arguments["x-dead-letter-exchange"]
            for queue in self._topology.queues:
                if queue.exchange == target and queue.routing_key == held.delivery.routing_key:
                    self._enqueue(queue, replace(held.delivery, queue=queue.name))

    def _is_fanout(self, name: str) -> bool:
        return any(
            exchange.name == name and exchange.type == "fanout" for exchange in self._topology.exchanges
        )


def _delivery(queue: str, message: Outgoing) -> Delivery:
    return Delivery(
        body=message.body,
        routing_key=message.routing_key,
        queue=queue,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        type=message.type,
        headers=dict(message.headers),
        attempt=attempt(message.headers),
    )
