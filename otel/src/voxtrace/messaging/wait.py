"""When a message was enqueued, and the time it then waited: at the broker, and in the client's prefetch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from voxtrace import semconv
from voxtrace.messaging import names
from voxtrace.messaging.headers import header_int
from voxtrace.messaging.history import refused_since
from voxtrace.messaging.route import Attributes, Route
from voxtrace.messaging.telemetry import Telemetry, record

MAX_WAIT_NS: Final = 30 * 24 * 3600 * 1_000_000_000
"""A message said to be older than this tells more about its header than about its queue."""

_NANOSECONDS: Final = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Wait:
    """
    The time a message spent between enqueueing and delivery; all times in ns since the epoch.

    Attributes:
        source: Whose clock the start is from: `broker` or `producer`.
        clock_skew: By that clock the message was here before it was sent; the start was set to its arrival.
        arrived: When it came to this client, where that is known; it is between start and end.
    """

    start: int
    end: int
    source: str
    clock_skew: bool
    arrived: int | None = None


def measure(headers: Mapping[Any, Any], delivered: int, arrived: int | None = None) -> Wait | None:
    """
    The wait of a message, if its headers say when it was enqueued.

    There is none to be told where a consumer had the message in its hands since: when that one gave it back
    the broker writes down in whole seconds.

    Args:
        headers: The message's.
        delivered: When it was handed to the application, in ns.
        arrived: When it came to this client, in ns, if that was seen.
    """
    latest = delivered if arrived is None or arrived > delivered else arrived
    start, source = 0, ""
    for its_source, header in names.WAIT_SOURCES.items():
        if header not in headers:
            continue
        sent = (header_int(headers, header) or 0) * 1_000_000
        # A message that is published again may still carry what a broker wrote into it the time before.
        if sent > start and delivered - sent <= MAX_WAIT_NS:
            start, source = sent, its_source
    if not start or (names.HEADER_DEATHS in headers and refused_since(headers, start)):
        return None
    return Wait(
        start=min(start, latest),
        end=delivered,
        source=source,
        clock_skew=start > latest,
        arrived=None if arrived is None else latest,
    )


def report(
    telemetry: Telemetry,
    wait: Wait,
    route: Route,
    parent: Context,
    *,
    message_id: object = None,
) -> None:
    """Writes the wait as a measurement, and as a span of the past under `parent`."""
    span = telemetry.tracer.start_span(
        route.waiting.span_name,
        parent,
        SpanKind.INTERNAL,
        _shown(wait, route.queue, message_id),
        None,
        wait.start,
    )
    try:
        if telemetry.measuring:
            record_alone(telemetry, wait, route, trace.set_span_in_context(span, parent))
    finally:
        span.end(wait.end)


def record_alone(telemetry: Telemetry, wait: Wait, route: Route, context: Context) -> None:
    """Writes the wait as a measurement, whose exemplar leads to the span in `context`."""
    record(telemetry.wait_duration, wait.end - wait.start, route.waiting.timed[wait.source], context)


def report_prefetch(
    telemetry: Telemetry, arrived: int, delivered: int, *, route: Route, context: Context
) -> None:
    """Measures how long a message lay in the client before it was handed over; `context` holds its span."""
    measured = route.waiting.prefetched
    record(telemetry.prefetch_duration, max(delivered - arrived, 0), measured, context)


def _shown(wait: Wait, queue: str, message_id: object) -> Attributes:
    shown: Attributes = {semconv.VOXTRACE_MESSAGING_WAIT_SOURCE: wait.source}
    if queue:
        shown[semconv.VOXTRACE_MESSAGING_QUEUE_NAME] = queue
    if message_id and isinstance(message_id, str):
        # People look for a message by it, and the wait may be all there is in a sender's trace.
        shown[semconv.MESSAGING_MESSAGE_ID] = message_id
    if wait.clock_skew:
        shown[semconv.VOXTRACE_MESSAGING_WAIT_CLOCK_SKEW] = True
    if wait.arrived is not None:
        shown[semconv.VOXTRACE_MESSAGING_WAIT_BROKER] = (wait.arrived - wait.start) / _NANOSECONDS
        shown[semconv.VOXTRACE_MESSAGING_WAIT_PREFETCH] = (wait.end - wait.arrived) / _NANOSECONDS
    return shown
