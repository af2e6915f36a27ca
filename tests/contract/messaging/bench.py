"""A traced broker: its ends, its queues, and what was recorded about them."""

from __future__ import annotations

import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.trace import SpanKind
from pika.exceptions import AMQPError

from contract.messaging.adapters.adapter import connect, looks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pika
    from pika.adapters.blocking_connection import BlockingChannel

    from contract.messaging.adapters.adapter import Adapter

DEADLINE = 20.0


class Instrumentor(Protocol):
    """What our instrumentor and the upstream one have in common."""

    def instrument(self, **options: Any) -> None:
        """Trace every channel."""
        ...

    def uninstrument(self, **options: Any) -> None:
        """Trace none."""
        ...

    def instrument_channel(self, channel: Any, tracer_provider: TracerProvider | None = None) -> None:
        """Trace one channel."""
        ...

    def uninstrument_channel(self, channel: Any) -> None:
        """Let one channel be."""
        ...


class Asking(Sampler):
    """Samples everything, and remembers what it was told about each span."""

    def __init__(self) -> None:
        self.told: dict[str, dict[str, Any]] = {}

    def should_sample(  # noqa: PLR0917  # the SDK's signature
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        """Yes."""
        self.told[name] = dict(attributes or {})
        return ALWAYS_ON.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """What it is called."""
        return "Asking"


class Open(SpanProcessor):
    """The spans that were started and have not ended."""

    def __init__(self) -> None:
        self._spans: dict[int, str] = {}

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Note it."""
        self._spans[span.context.span_id] = span.name

    def on_end(self, span: ReadableSpan) -> None:
        """Forget it."""
        del self._spans[span.context.span_id]

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return sorted(self._spans.values())


class Bench:
    """
    A broker, real or in memory, with pika traced, and the connections and queues to take down afterwards.

    Spans are found by what they are, not by their names, so that a scenario can be asked of any
    instrumentation.
    """

    def __init__(
        self,
        site: Any,
        adapter: type[Adapter],
        instrumentor: Instrumentor,
        *,
        patience: float = DEADLINE,
    ) -> None:
        self.site, self.adapter, self.instrumentor = site, adapter, instrumentor
        self.exporter, self.reader, self.sampler = InMemorySpanExporter(), InMemoryMetricReader(), Asking()
        self.provider = TracerProvider(sampler=self.sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.open_spans = Open()
        self.provider.add_span_processor(self.open_spans)
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.tracer = self.provider.get_tracer("test")
        self._patience = patience
        self._ends: list[Adapter] = []
        self._connections: list[pika.BlockingConnection] = []
        self._queues: list[str] = []

    def instrument(self, **options: Any) -> None:
        """Trace pika, with other options than before."""
        self.instrumentor.uninstrument()
        self.instrumentor.instrument(tracer_provider=self.provider, meter_provider=self.meters, **options)

    def open(self) -> Adapter:
        """A new end."""
        self._ends.append(self.adapter(self.site))
        return self._ends[-1]

    @property
    def server(self) -> dict[str, Any]:
        """The broker's address, as spans have it."""
        parameters = self.channel().connection._impl.params
        return {"server.address": parameters.host, "server.port": parameters.port}

    def channel(self, *, confirm: bool = False) -> BlockingChannel:
        """A blocking channel on a connection of its own, whatever the adapter under test."""
        connection = connect(self.site)
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

    def until(self, end: Adapter, condition: Callable[[], object], otherwise: str) -> None:
        """Let an end take messages until something is so; `otherwise` says what is wrong if it never is."""
        assert end.run(condition, DEADLINE), f"{otherwise}: {self.names()}"

    def see(self, end: Adapter, condition: Callable[[], object], otherwise: str) -> None:
        """The same of what is recorded: with an instrumentation that may lack it, the wait can be shorter."""
        assert end.run(condition, self._patience), f"{otherwise}: {self.names()}"

    def run(self, channel: BlockingChannel, until: Callable[[], object]) -> None:
        """Let a blocking channel's callbacks run until something is so."""
        for _ in looks(DEADLINE):
            if until():
                return
            channel.connection.process_data_events(time_limit=0.05)
        raise AssertionError(self.names())

    def produced(self, destination: str = "") -> list[ReadableSpan]:
        """The spans of publishes, in the order they ended."""
        return [span for span in self._named(destination) if span.kind is SpanKind.PRODUCER]

    def taken(self, destination: str = "") -> list[ReadableSpan]:
        """The spans of messages taken: of their processing, or of the call that got them."""
        return [
            span
            for span in self._named(destination)
            if span.kind is SpanKind.CONSUMER or self._type(span) == "receive"
        ]

    def settled(self, destination: str = "") -> list[ReadableSpan]:
        """The spans of settlements."""
        return [span for span in self._named(destination) if self._type(span) == "settle"]

    def waited(self, queue: str) -> list[ReadableSpan]:
        """The spans of waits in a queue."""
        return [span for span in self._named(queue) if "voxtrace.messaging.wait.source" in span.attributes]

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

    def points(self, metric: str) -> list[Any]:
        """The data points of a metric, as they are now."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for found in scope.metrics
            if found.name == metric
            for point in found.data.data_points
        ]

    @contextmanager
    def suppressed(self) -> Iterator[None]:
        """Do as a program that is not traced would."""
        token = context.attach(context.set_value("suppress_instrumentation", True))
        try:
            yield
        finally:
            context.detach(token)

    def clear_away(self) -> None:
        """Close what is open and delete what was declared."""
        for end in self._ends:
            end.close()
        for connection in self._connections:
            with suppress(AMQPError):
                connection.close()
        with connect(self.site) as connection:
            channel = connection.channel()
            for queue in self._queues:
                channel.queue_delete(queue)
        self.meters.shutdown()

    def _named(self, destination: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if destination in span.name]

    @staticmethod
    def _type(span: ReadableSpan) -> object:
        return span.attributes.get("messaging.operation.type")
