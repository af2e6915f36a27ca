"""Pika itself on a wire of our own: its real channels, with a connection that only takes notes."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult
from pika.adapters.blocking_connection import BlockingChannel
from pika.callback import CallbackManager
from pika.channel import Channel

from voxtrace import _guard
from voxtrace.messaging import PikaInstrumentor
from voxtrace.messaging.ledger import ledgers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

    Trace = Callable[..., "Wire"]

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
CREATION = f"00-{9:032x}-{8:016x}-01"


class Counting(IdGenerator):
    """Ids that count from one."""

    def __init__(self) -> None:
        self._spans = itertools.count(1)
        self._traces = itertools.count(1)

    def generate_span_id(self) -> int:
        """The next span id."""
        return next(self._spans)

    def generate_trace_id(self) -> int:
        """The next trace id."""
        return next(self._traces)


class Remembering(Sampler):
    """Samples everything, if not told otherwise, and remembers the attributes it was asked with."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.decides: Sampler = ALWAYS_ON

    def should_sample(  # noqa: PLR0917  # the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Yes, mostly."""
        self.asked.append(dict(attributes or {}))
        return self.decides.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """What it is called."""
        return "Remembering"


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        """The time in nanoseconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)


class Seen:
    """What was recorded, as literals."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()

    @property
    def raw(self) -> list[ReadableSpan]:
        """The finished spans in the order they ended."""
        return list(self.exporter.get_finished_spans())

    def spans(self) -> list[dict[str, Any]]:
        """The finished spans as plain data; times are seconds after the clock's start."""
        return [
            {
                "name": span.name,
                "kind": span.kind.name,
                "trace": span.context.trace_id,
                "span": span.context.span_id,
                "parent": span.parent.span_id if span.parent else None,
                "links": [link.context.span_id for link in span.links],
                "from": (span.start_time - START) / SECOND,
                "to": (span.end_time - START) / SECOND,
                "status": span.status.status_code.name,
                "attributes": dict(span.attributes),
                "events": [event.name for event in span.events],
            }
            for span in self.raw
        ]

    def named(self, name: str) -> dict[str, Any]:
        """The one finished span of that name."""
        (span,) = [span for span in self.spans() if span["name"] == name]
        return span

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """Per metric its points: attributes with the sum."""
        data = self.reader.get_metrics_data()
        points: dict[str, list[tuple[dict[str, Any], float]]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points[metric.name] = [
                        (dict(point.attributes), getattr(point, "sum", getattr(point, "value", None)))
                        for point in metric.data.data_points
                    ]
        return points


class Wire:
    """A connection that notes what pika sends; deliveries are handed in by the test."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.callbacks = CallbackManager()
        self.params = SimpleNamespace(host="broker.test", port=5672)
        self.is_closed = False
        self.publisher_confirms = self.basic_nack = True
        self._server_channel_closures: list[Exception] = []  # what pika 1.5 looks for
        self.failure: Exception | None = None
        self.channel = self.new_channel(1)
        self.blocking = BlockingChannel(self.channel, self)

    def new_channel(self, number: int) -> Channel:
        """An open callback-style channel."""
        channel = Channel(self, number, None)
        channel._set_state(Channel.OPEN)
        return channel

    def _send_method(self, _number: int, method: Any, content: Any = None) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append((method, content))

    def _flush_output(self, *_waiters: Callable[[], bool]) -> None:
        pass

    def _request_channel_dispatch(self, _number: int) -> None:
        pass

    @property
    def published(self) -> list[pika.BasicProperties]:
        """The properties of every message that went out."""
        return [content[0] for method, content in self.sent if isinstance(method, pika.spec.Basic.Publish)]

    def deliver(
        self,
        properties: pika.BasicProperties | None = None,
        *,
        channel: Channel | None = None,
        consumer_tag: str = "consumer",
        delivery_tag: int = 1,
        exchange: str = "speech",
        routing_key: str = "transcribe",
        redelivered: bool = False,
        dispatch: bool = True,
    ) -> None:
        """Let a message arrive, and let a blocking channel dispatch it."""
        method = pika.spec.Basic.Deliver(consumer_tag, delivery_tag, redelivered, exchange, routing_key)
        properties = properties or pika.BasicProperties()
        channel = channel or self.channel
        channel._on_deliver(SimpleNamespace(method=method), SimpleNamespace(properties=properties), b"body")
        if dispatch and channel is self.channel:
            self.blocking._dispatch_events()

    def arrive(self, method: Any, properties: pika.BasicProperties) -> None:
        """Let a message come that was asked for."""
        self.channel._on_getok(
            SimpleNamespace(method=method), SimpleNamespace(properties=properties), b"body"
        )

    def answer(self, method: Any) -> None:
        """Let the broker confirm or refuse what was published."""
        self.callbacks.process(1, method, self, SimpleNamespace(method=method))

    def send_back(self, number: int, reply_code: int = 312) -> None:
        """Let the broker return the message that was published as the given one, counted from 0."""
        method, (properties, body) = [
            sent for sent in self.sent if isinstance(sent[0], pika.spec.Basic.Publish)
        ][number]
        returned = pika.spec.Basic.Return(reply_code, "the secret", method.exchange, method.routing_key)
        header = SimpleNamespace(properties=properties)
        self.channel._on_return(SimpleNamespace(method=returned), header, body)

    def close(self, reason: Exception) -> None:
        """Lose the channel, as by a lost connection."""
        self.channel._on_close_meta(reason)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of every messaging span."""
    clock = Clock()
    monkeypatch.setattr("time.time_ns", clock)
    return clock


@pytest.fixture(autouse=True)
def _no_channel_stays_traced() -> Iterator[None]:
    """Let go of the channels that a test traced one by one: until collected, a batch may find them."""
    yield
    for ledger in ledgers():
        ledger.telemetry.enabled = False


@pytest.fixture
def seen() -> Seen:
    """What the instrumentation recorded."""
    return Seen()


@pytest.fixture
def sampler() -> Remembering:
    """What decides about every span."""
    return Remembering()


@pytest.fixture
def provider(seen: Seen, sampler: Remembering) -> TracerProvider:
    """A provider whose ids count from one."""
    provider = TracerProvider(sampler=sampler, id_generator=Counting(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(seen.exporter))
    return provider


@pytest.fixture
def options() -> dict[str, Any]:
    """What is chosen; a test says otherwise by `parametrize`."""
    return {}


@pytest.fixture
def instrumented(
    clock: Clock, seen: Seen, provider: TracerProvider, options: dict[str, Any]
) -> Iterator[PikaInstrumentor]:
    """The instrumentor at work."""
    meters = MeterProvider([seen.reader], shutdown_on_exit=False)
    instrumentor = PikaInstrumentor()
    instrumentor.instrument(tracer_provider=provider, meter_provider=meters, **options)
    yield instrumentor
    instrumentor.uninstrument()
    meters.shutdown()


@pytest.fixture
def wire(instrumented: PikaInstrumentor) -> Wire:
    """A traced channel."""
    return Wire()


@pytest.fixture
def traced(
    clock: Clock, seen: Seen, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Trace]:
    """Pika traced with the test's options."""
    monkeypatch.setattr(_guard, "_reported", set())
    instrumentor = PikaInstrumentor()
    meters = MeterProvider([seen.reader], shutdown_on_exit=False)

    def traced(**options: Any) -> Wire:
        instrumentor.instrument(tracer_provider=provider, meter_provider=meters, **options)
        return Wire()

    yield traced
    instrumentor.uninstrument()
    meters.shutdown()


def sent(clock: Clock, **headers: Any) -> pika.BasicProperties:
    """A message that was sent a second ago in another trace."""
    enqueued = clock.now // 1_000_000 - 1000
    return pika.BasicProperties(
        headers={"traceparent": CREATION, "voxtrace-enqueued-at": enqueued, **headers}
    )


def consume(wire: Wire, work: Callable[..., Any] = lambda *_: None, queue: str = "transcribe") -> None:
    """Consume without acknowledging."""
    wire.blocking.basic_consume(queue, work, auto_ack=True, consumer_tag="consumer")
