"""A message that is not sampled costs next to nothing where nobody takes measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from unit.otel.messaging.conftest import Wire
from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import TracerProvider

    from unit.otel.messaging.conftest import Clock, Remembering, Seen

TRACEPARENT = f"00-{9:032x}-{8:016x}-00"


@pytest.fixture
def unmeasured(provider: TracerProvider, sampler: Remembering) -> Iterator[PikaInstrumentor]:
    """Pika traced without sampling, by a program that has no meter provider."""
    sampler.decides = ALWAYS_OFF
    instrumentor = PikaInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield instrumentor
    instrumentor.uninstrument()


def take(wire: Wire, callback: Any) -> None:
    """Deliver a message of an unsampled trace."""
    wire.blocking.basic_consume("transcribe", callback, consumer_tag="consumer")
    wire.deliver(pika.BasicProperties(headers={"traceparent": TRACEPARENT}))


def test_its_trace_goes_on_through_what_is_published(unmeasured: PikaInstrumentor, seen: Seen) -> None:
    """Nobody further on decides anew."""
    wire = Wire()

    def pass_on(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        channel.basic_publish("", "next", b"")
        channel.basic_ack(method.delivery_tag)

    take(wire, pass_on)
    _, trace_id, _, flags = wire.published[0].headers["traceparent"].split("-")
    assert (int(trace_id, 16), flags) == (9, "00")
    assert seen.spans() == []
    assert not trace.get_current_span().get_span_context().is_valid


def test_it_is_in_no_ledger(unmeasured: PikaInstrumentor) -> None:
    """Its settlement is nobody's business."""
    wire = Wire()
    take(wire, lambda *_: None)
    assert unmeasured._instrumentation.ledger.deliveries() == []
    wire.blocking.basic_nack(1)


def test_its_callbacks_errors_are_the_programs(unmeasured: PikaInstrumentor) -> None:
    """They come out as they are."""

    def fail(*_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        take(Wire(), fail)


def test_it_is_measured_from_the_moment_that_somebody_does(
    unmeasured: PikaInstrumentor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program may set its meter provider after its instrumentation; it is asked for it once a second."""
    wire = Wire()
    take(wire, lambda *_: None)
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: meters)
    seconds = []
    for tag in (2, 3):
        wire.deliver(pika.BasicProperties(headers={"traceparent": TRACEPARENT}), delivery_tag=tag)
        seconds.append(len(unmeasured._instrumentation.ledger.deliveries()))
        clock.advance(1)
    assert seconds == [0, 1]
    meters.shutdown()
