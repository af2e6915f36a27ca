"""Two brokers behind one set of handles, so that one suite holds both to the same promises."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pika
import psutil

from voxtrace_services.core.broker import Broker, Delivery, Handler, Outgoing
from voxtrace_services.core.memory import MemoryBroker
from voxtrace_services.core.rabbitmq import RabbitMQBroker, _delivery
from voxtrace_services.core.retries import RetryPolicy
from voxtrace_services.core.topology import Topology

DELAYS = (0.2, 0.4)
POLICY = RetryPolicy(DELAYS)
JOB = "job-1"


class Harness(Protocol):
    """What a test needs of a broker beside its seam."""

    def open(self, *, grace: float = 5.0) -> Broker:
        """A broker whose workers are given `grace` seconds to stop."""
        ...

    def take(self, queue: str) -> list[Delivery]:
        """Remove and give what waits in a queue."""
        ...

    def drop_connections(self) -> None:
        """Cut every connection, as a failing network does."""
        ...


class Memory:
    """The in-memory broker."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(policy=POLICY)

    def open(self, *, grace: float = 5.0) -> Broker:
        """The one broker, with another grace."""
        self.broker._grace = grace
        return self.broker

    def take(self, queue: str) -> list[Delivery]:
        """Remove and give what waits in a queue."""
        return self.broker.take(queue)

    def drop_connections(self) -> None:
        """Take back what is at work."""
        self.broker.drop_connections()

    def close(self) -> None:
        """Nothing to put away."""


@dataclass
class Rabbit:
    """A real RabbitMQ, whose queues are emptied before and after."""

    url: str
    cleanup: ExitStack = field(default_factory=ExitStack)
    # Held by who looks into a queue, so that cutting spares that connection.
    connecting: threading.Lock = field(default_factory=threading.Lock)

    def open(self, *, grace: float = 5.0, heartbeat: int = 60) -> Broker:
        """A broker that is closed after the test."""
        broker = RabbitMQBroker(self.url, policy=POLICY, heartbeat=heartbeat, grace=grace)
        self.cleanup.callback(broker.close)
        return broker

    def take(self, queue: str) -> list[Delivery]:
        """Remove and give what waits in a queue."""
        taken = []
        with self.connecting, self._channel() as channel:
            while True:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    return taken
                taken.append(_delivery(queue, method, properties, body))

    def drop_connections(self) -> None:
        """Shut every socket of ours to the broker, from below pika."""
        port = pika.URLParameters(self.url).port
        with self.connecting:
            for connection in psutil.Process().net_connections("tcp"):
                if connection.raddr and connection.raddr[1] == port:
                    with socket.socket(fileno=os.dup(connection.fd)) as ours:
                        ours.shutdown(socket.SHUT_RDWR)

    def purge(self) -> None:
        """Declare and empty every queue."""
        with self._channel() as channel:
            RabbitMQBroker(self.url, policy=POLICY)._declare(channel)
            for queue in Topology(DELAYS).queues:
                channel.queue_purge(queue.name)

    def close(self) -> None:
        """Leave no connection and no message behind."""
        self.cleanup.close()
        self.purge()

    @contextmanager
    def _channel(self) -> Iterator[pika.channel.Channel]:
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield connection.channel()
        finally:
            connection.close()


@dataclass
class Recorder:
    """A handler that remembers what it was given and does as told."""

    act: Callable[[Delivery], Sequence[Outgoing]] = field(default=lambda _delivery: [])
    seen: list[Delivery] = field(default_factory=list)

    def __call__(self, delivery: Delivery) -> Sequence[Outgoing]:
        """Remember, then act."""
        self.seen.append(delivery)
        return self.act(delivery)


@contextmanager
def consuming(broker: Broker, queue: str, handler: Handler) -> Iterator[threading.Event]:
    """Consume in a thread; leaving the block stops it and waits for its end."""
    stop = threading.Event()
    thread = threading.Thread(target=broker.consume, args=(queue, handler, stop), daemon=True)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def until(happened: Callable[[], object], *, within: float = 20.0) -> None:
    """Wait for something to be true, or fail."""
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def request(key: str = "transcribe", *, body: bytes = b"{}", job: str | None = JOB, **more: Any) -> Outgoing:
    """A message to publish."""
    return Outgoing(routing_key=key, body=body, message_id="message-1", correlation_id=job, **more)
