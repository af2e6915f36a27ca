"""How many messages are in hands, and for how long, is known whenever someone asks."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider

from unit.otel.messaging.conftest import Wire as AWire

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Clock, Seen, Wire
    from voxtrace.messaging import PikaInstrumentor


def in_flight(seen: Seen) -> dict[str, dict[str, float]]:
    """Per gauge and queue its value."""
    found: dict[str, dict[str, float]] = {}
    for name, points in seen.metrics().items():
        if name.startswith("voxtrace.messaging.in_flight"):
            short = name.removeprefix("voxtrace.messaging.")
            found[short] = {
                attributes["voxtrace.messaging.queue.name"]: value for attributes, value in points
            }
    return found


def take(wire: Wire, queue: str, *tags: int) -> None:
    """Deliver messages to a consumer that leaves them unsettled."""
    wire.blocking.basic_consume(queue, lambda *_: None, consumer_tag=queue)
    for tag in tags:
        wire.deliver(delivery_tag=tag, consumer_tag=queue)


def test_messages_in_flight_are_counted_by_queue(wire: Wire, seen: Seen, clock: Clock) -> None:
    """Their number, and the age of the oldest; a queue that had some and has none has 0."""
    take(wire, "transcribe", 1)
    clock.advance(2)
    wire.deliver(delivery_tag=2, consumer_tag="transcribe")
    take(wire, "amq.gen-Xyz", 3)
    clock.advance(1)
    assert in_flight(seen) == {
        "in_flight": {"transcribe": 2, "(anonymous)": 1},
        "in_flight.age": {"transcribe": 3.0, "(anonymous)": 1.0},
    }
    wire.blocking.basic_ack(2, multiple=True)
    assert in_flight(seen) == {
        "in_flight": {"transcribe": 0, "(anonymous)": 1},
        "in_flight.age": {"(anonymous)": 1.0},
    }


def test_nothing_is_reported_after_uninstrumenting(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor
) -> None:
    """What is not looked at any more has no number."""
    take(wire, "transcribe", 1)
    assert in_flight(seen)["in_flight"] == {"transcribe": 1}
    instrumented.uninstrument()
    assert in_flight(seen) == {}


def test_it_is_counted_after_instrumenting_again(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor, provider: Any
) -> None:
    """A meter keeps the first callbacks it was given: they ask for whoever is there now."""
    take(wire, "transcribe", 1)
    meters = instrumented._instrumentation.telemetry.meter_provider
    instrumented.uninstrument()
    instrumented.instrument(tracer_provider=provider, meter_provider=meters)
    again = AWire()
    take(again, "audit", 1)
    assert in_flight(seen)["in_flight"] == {"audit": 1}


def test_a_channel_of_its_own_is_counted_with_the_rest(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor, provider: Any
) -> None:
    """Two instrumentations with one meter provider are one number; another provider's are not among them."""
    meters = instrumented._instrumentation.telemetry.meter_provider
    take(wire, "transcribe", 1)
    held = []
    for own in (meters, MeterProvider([], shutdown_on_exit=False)):
        other = AWire()
        held.append(other)
        instrumented.instrument_channel(other.blocking, tracer_provider=provider, meter_provider=own)
        take(other, "transcribe", 1)
    assert in_flight(seen)["in_flight"] == {"transcribe": 2}


def test_counting_keeps_nothing_alive(instrumented: PikaInstrumentor) -> None:
    """The gauges hold neither the ledger nor what is in it."""
    ledger = weakref.ref(instrumented._instrumentation.ledger)
    instrumented.uninstrument()
    gc.collect()
    assert ledger() is None
