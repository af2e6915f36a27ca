"""Two brokers under one suite: the one in memory, and RabbitMQ."""

from __future__ import annotations

import itertools
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pika
import pytest
from pika.exceptions import AMQPError

from voxtrace.testing import InMemoryBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

DEADLINE = 20.0


class Bench:
    """A broker under test, and what to clear away afterwards."""

    def __init__(self, connect: Callable[[], BlockingConnection]) -> None:
        self._connect = connect
        self._connections: list[BlockingConnection] = []
        self._queues: list[str] = []
        self._exchanges: list[str] = []
        self._numbers = itertools.count(1)
        self._prefix = f"twin-{uuid.uuid4().hex[:8]}"

    def name(self) -> str:
        """A name that nothing has yet."""
        return f"{self._prefix}-{next(self._numbers)}"

    def connection(self) -> BlockingConnection:
        """One more connection."""
        connection = self._connect()
        self._connections.append(connection)
        return connection

    def channel(self, *, confirm: bool = True) -> BlockingChannel:
        """A channel on a connection of its own."""
        channel = self.connection().channel()
        if confirm:
            channel.confirm_delivery()
        return channel

    def queue(self, **arguments: Any) -> str:
        """A fresh queue; an argument x_y is x-y."""
        name = self.name()
        given = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.channel().queue_declare(name, durable=True, arguments=given)
        self._queues.append(name)
        return name

    def exchange(self, kind: str, **arguments: Any) -> str:
        """A fresh exchange."""
        name = self.name()
        self.channel().exchange_declare(name, kind, arguments=arguments)
        self._exchanges.append(name)
        return name

    def bound(self, exchange: str, routing_key: str = "", arguments: dict[str, Any] | None = None) -> str:
        """A fresh queue that is bound to an exchange."""
        name = self.queue()
        self.channel().queue_bind(name, exchange, routing_key, arguments)
        return name

    def put(self, queue: str, *bodies: bytes, **properties: Any) -> None:
        """Put messages into a queue."""
        channel = self.channel()
        for body in bodies:
            channel.basic_publish("", queue, body, pika.BasicProperties(**properties))

    def take(self, queue: str) -> tuple[Any, Any, bytes]:
        """The next message of a queue, once it is there."""
        channel = self.channel()
        deadline = time.monotonic() + DEADLINE
        while (taken := channel.basic_get(queue, auto_ack=True))[0] is None:
            assert time.monotonic() < deadline, f"nothing came to {queue}"
            channel.connection.process_data_events(time_limit=0.01)
        return taken

    def waiting(self, queue: str) -> int:
        """How many messages wait in a queue."""
        return self.channel().queue_declare(queue, passive=True).method.message_count

    def become(self, look: Callable[[], object], expected: object) -> None:
        """Wait until something is so: brokers may take their time."""
        deadline = time.monotonic() + DEADLINE
        while (seen := look()) != expected:
            assert time.monotonic() < deadline, seen

    def run(self, channel: BlockingChannel, until: Callable[[], object]) -> None:
        """Let a connection's callbacks run until something is so."""
        deadline = time.monotonic() + DEADLINE
        while not until():
            assert time.monotonic() < deadline
            channel.connection.process_data_events(time_limit=0.01)

    def quiet(self, channel: BlockingChannel) -> None:
        """Let a connection's callbacks run until everything sent so far has arrived."""
        # The broker answers in order, so what it sent before this answer is here.
        channel.basic_qos(prefetch_count=0, global_qos=True)
        channel.connection.process_data_events(time_limit=0)

    def clear_away(self) -> None:
        """Close what is open and delete what was declared."""
        for connection in self._connections:
            with suppress(AMQPError):
                connection.close()
        with self._connect() as connection:
            channel = connection.channel()
            for queue in self._queues:
                channel.queue_delete(queue)
            for exchange in self._exchanges:
                channel.exchange_delete(exchange)


@pytest.fixture(params=["memory", "rabbitmq"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The same bench on either broker."""
    if request.param == "memory":
        bench = Bench(InMemoryBroker().connection)
    else:
        parameters = pika.URLParameters(request.getfixturevalue("rabbitmq").url)
        bench = Bench(lambda: pika.BlockingConnection(parameters))
    yield bench
    bench.clear_away()
