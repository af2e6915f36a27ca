"""When a message was enqueued, and the time it then waited."""

from dataclasses import dataclass
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from voxtrace import semconv
from voxtrace.messaging import names
from voxtrace.messaging.destination import queue_label
from voxtrace.messaging.propagation import header_int
from voxtrace.messaging.telemetry import Telemetry, record

MAX_WAIT_NS: Final = 30 * 24 * 3600 * 1_000_000_000
"""A message said to be older than this tells more about its header than about its queue."""

_SOURCES: Final = ((names.HEADER_BROKER_TIMESTAMP, "broker"), (names.HEADER_ENQUEUED_AT, "producer"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """
    The time a message spent between enqueueing and delivery.

    Attributes:
        source: Whose clock the start is from: `broker` or `producer`.
        clock_skew: The start lay after the delivery by that clock, and was set to it.
    """

    start: int
    end: int
    source: str
    clock_skew: bool


def measure(headers: object, delivered: int) -> Wait | None:
    """The wait of a message delivered at `delivered` (ns), if its headers say when it was enqueued."""
    for header, source in _SOURCES:
        milliseconds = header_int(headers, header)
        if milliseconds is None:
            continue
        start = milliseconds * 1_000_000
        if start > 0 and delivered - start <= MAX_WAIT_NS:
            return Wait(
                start=min(start, delivered), end=delivered, source=source, clock_skew=start > delivered
            )
    return None


def report(
    telemetry: Telemetry,
    wait: Wait,
    *,
    queue: str,
    parent: Context,
    attributes: dict[str, AttributeValue],
) -> None:
    """Writes the wait as a span of the past under `parent`, and as a measurement."""
    shown = {name: attributes[name] for name in _SPAN_ATTRIBUTES if name in attributes}
    shown[semconv.VOXTRACE_WAIT_SOURCE] = wait.source
    shown[semconv.VOXTRACE_WAIT_CLOCK_SKEW] = wait.clock_skew
    span = telemetry.tracer.start_span(
        f"wait {queue_label(queue)}", parent, attributes=shown, start_time=wait.start
    )
    measured: dict[str, AttributeValue] = {
        semconv.MESSAGING_SYSTEM: names.SYSTEM,
        semconv.VOXTRACE_QUEUE_NAME: queue_label(queue),
        semconv.VOXTRACE_WAIT_SOURCE: wait.source,
    }
    try:
        spanned = trace.set_span_in_context(span, parent)
        record(telemetry.wait_duration, wait.end - wait.start, measured, spanned)
    finally:
        span.end(wait.end)


_SPAN_ATTRIBUTES: Final[tuple[str, ...]] = (
    semconv.MESSAGING_SYSTEM,
    semconv.MESSAGING_DESTINATION_NAME,
    semconv.MESSAGING_MESSAGE_ID,
    semconv.MESSAGING_MESSAGE_CONVERSATION_ID,
    semconv.VOXTRACE_QUEUE_NAME,
)
