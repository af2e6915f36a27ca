"""Where callbacks run in the context that their connection was made in, what was set there holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

from voxtrace.messaging.consumer import Consumer

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

    from unit.otel.messaging.conftest import Seen, Wire
    from voxtrace.messaging import PikaInstrumentor


@pytest.fixture
def deliver(wire: Wire, instrumented: PikaInstrumentor) -> Callable[..., None]:
    """Hands a message to a callback, as asyncio's loop or the thread of a channel does."""
    instrumentation = instrumented._instrumentation
    consumer = Consumer(
        telemetry=instrumentation.telemetry,
        ledger=instrumentation.ledger,
        queue="jobs",
        auto_ack=True,
        detached=True,
    )

    def deliver(around: Context, work: Callable[..., object]) -> None:
        token = context.attach(around)
        try:
            method = pika.spec.Basic.Deliver("consumer", 1, False, "", "jobs")
            consumer.traced(work)(wire.channel, method, pika.BasicProperties(), b"body")
        finally:
            context.detach(token)

    return deliver


@pytest.mark.parametrize("key", [_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"])
def test_suppression_holds(deliver: Callable[..., None], seen: Seen, key: str) -> None:
    """Under suppression a message has no span, and its callback the context as it is."""
    around = context.set_value(key, True)
    found: list[Any] = []
    deliver(around, lambda *_: found.append(context.get_current()))
    assert (found, seen.spans()) == ([around], [])


def test_what_belongs_to_the_connecting_is_left_out(
    deliver: Callable[..., None], seen: Seen, provider: TracerProvider
) -> None:
    """Its span and baggage are no message's; any other value stays."""
    around = baggage.set_baggage("connecting", "1", context.set_value("tenant", "acme"))
    found: list[Any] = []
    with provider.get_tracer("test").start_as_current_span("connecting", around) as connecting:

        def work(*_: object) -> None:
            found.extend((context.get_value("tenant"), dict(baggage.get_all())))
            found.append(trace.get_current_span().get_span_context().trace_id)

        deliver(trace.set_span_in_context(connecting, around), work)
    span = seen.named("process jobs")
    assert found == ["acme", {}, span["trace"]]
    assert (span["parent"], span["links"]) == (None, [])
    assert span["trace"] != connecting.get_span_context().trace_id
