"""Two ends of a real broker: a traced connection and queues that vanish with the test."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pika.exceptions import AMQPError

from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pika.adapters.blocking_connection import BlockingChannel

    from voxtrace_services.native import RabbitMQ

DEADLINE = 20.0


class Bench:
    """A broker, what was traced on it, and the connections and queues to take down afterwards."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")
        self._connections: list[pika.BlockingConnection] = []
        self._queues: list[str] = []

    def channel(self, *, confirm: bool = False) -> BlockingChannel:
        """A channel on a connection of its own."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        self._connections.append(connection)
        channel = connection.channel()
        if confirm:
            channel.confirm_delivery()
        return channel

    def queue(self, **arguments: Any) -> str:
        """A fresh queue."""
        name = f"contract-{uuid.uuid4().hex[:8]}"
        self.channel().queue_declare(name, durable=True, arguments=arguments)
        self._queues.append(name)
        return name

    def run(self, channel: BlockingChannel, until: Callable[[], object]) -> None:
        """Let a channel's callbacks run until something is so."""
        deadline = time.monotonic() + DEADLINE
        while not until():
            assert time.monotonic() < deadline, self.names()
            channel.connection.process_data_events(time_limit=0.05)

    def spans(self, name: str) -> list[ReadableSpan]:
        """The finished spans of that name, in the order they ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        """The one finished span of that name."""
        found = self.spans(name)
        assert len(found) == 1, self.names()
        return found[0]

    def names(self) -> list[str]:
        """The names of all finished spans."""
        return sorted(span.name for span in self.exporter.get_finished_spans())

    @contextmanager
    def suppressed(self) -> Iterator[None]:
        """Send as a program that is not traced would."""
        token = context.attach(context.set_value("suppress_instrumentation", True))
        try:
            yield
        finally:
            context.detach(token)

    def clear_away(self) -> None:
        """Close what is open and delete what was declared."""
        for connection in self._connections:
            with suppress(AMQPError):
                connection.close()
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            for queue in self._queues:
                channel.queue_delete(queue)


@pytest.fixture
def bench(rabbitmq: RabbitMQ) -> Iterator[Bench]:
    """Pika traced, on the session's broker."""
    bench = Bench(rabbitmq.url)
    instrumentor = PikaInstrumentor()
    instrumentor.instrument(tracer_provider=bench.provider)
    yield bench
    bench.clear_away()
    instrumentor.uninstrument()
