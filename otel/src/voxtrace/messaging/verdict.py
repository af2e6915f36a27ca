"""What a settlement says of its messages: noted on their spans, measured, and a span of its own if wanted."""

import time
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, SpanKind

from voxtrace import semconv
from voxtrace._guard import guarded, report
from voxtrace.messaging import failure, names
from voxtrace.messaging.delivery import Delivery
from voxtrace.messaging.ledger import Ledger, ledgers, others
from voxtrace.messaging.propagation import suppressed
from voxtrace.messaging.telemetry import record


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a settlement says of its messages, by which method, and whether they failed."""

    operation: str
    settlement: str
    error_type: str | None = None


DONE: Final = Verdict(names.ACK, names.ACK)
# "Not now": the message is none the worse, as RabbitMQ 4.3 counts it too.
LATER: Final = Verdict(names.NACK, names.REQUEUE)
REFUSED: Final = Verdict(names.NACK, names.NACK, names.ERROR_REJECTED)
PUT_BACK: Final = Verdict(names.REJECT, names.REQUEUE, names.ERROR_REJECTED)
REJECTED: Final = Verdict(names.REJECT, names.REJECT, names.ERROR_REJECTED)


def settle(
    ledger: Ledger,
    channel: Any,
    delivery_tag: Any,
    settlement: str,
    *,
    multiple: Any,
    error_type: str | None = None,
) -> list[Delivery]:
    """Settles in `ledger`, and in those of others: a channel may have had consumers when it got its own."""
    settled = ledger.settle(channel, delivery_tag, settlement, multiple=multiple, error_type=error_type)
    if (multiple or not settled) and others():
        for other in ledgers():
            if other is not ledger:
                settled += other.settle(
                    channel, delivery_tag, settlement, multiple=multiple, error_type=error_type
                )
    return settled


def _find(ledger: Ledger, channel: Any, delivery_tag: Any, *, multiple: Any) -> list[Delivery]:
    found = ledger.find(channel, delivery_tag, multiple=multiple)
    if (multiple or not found) and others():
        for other in ledgers():
            if other is not ledger:
                found += other.find(channel, delivery_tag, multiple=multiple)
    return found


def remember(ledger: Ledger, channel: Any, delivery_tag: Any, multiple: Any) -> None:
    """Keeps in mind whose a refused message was, before the broker hears of it: it may be back at once."""
    with guarded("remember a refused message"):
        for delivery in _find(ledger, channel, delivery_tag, multiple=multiple):
            delivery.remember()


def note_settled(  # noqa: PLR0917 - what pika's methods take, on the way of every message
    ledger: Ledger, verdict: Verdict, channel: Any, delivery_tag: Any, multiple: Any, started: int
) -> None:
    """Takes note of a settlement that went out."""
    ended = time.time_ns()
    settled = settle(
        ledger, channel, delivery_tag, verdict.settlement, multiple=multiple, error_type=verdict.error_type
    )
    if settled:
        try:
            telemetry = settled[-1].telemetry
            wanted = telemetry.configuration.settle_spans
            shown = wanted == "all" or (wanted == "failures" and verdict is not DONE)
            if shown or telemetry.measuring:
                _report(verdict, settled, multiple, started, ended, None, shown=shown)
        except Exception as error:  # noqa: BLE001 - as `guarded` does
            report("report a settlement", error)


def note_failed(  # noqa: PLR0917 - as above
    ledger: Ledger,
    verdict: Verdict,
    channel: Any,
    delivery_tag: Any,
    multiple: Any,
    started: int,
    error: BaseException,
) -> None:
    """Takes note of one that pika refused, or lost."""
    with guarded("report a settlement that failed"):
        ended = time.time_ns()
        meant = _find(ledger, channel, delivery_tag, multiple=multiple)
        if meant and meant[-1].telemetry.enabled:
            shown = meant[-1].telemetry.configuration.settle_spans != "none"
            _report(verdict, meant, multiple, started, ended, error, shown=shown)


def _report(  # noqa: PLR0917 - as above
    verdict: Verdict,
    deliveries: list[Delivery],
    multiple: Any,
    started: int,
    ended: int,
    error: BaseException | None,
    *,
    shown: bool,
) -> None:
    # The last is the one that is named, and most often the one at hand.
    last = deliveries[-1]
    owner, telemetry = last.owner, last.telemetry
    route = telemetry.routes.settled(last.route, verdict.operation)
    # Of a message that was got the span is over, and says no more: the refusal itself is the failure.
    refused = verdict.error_type if owner.route.operation == names.RECEIVE else None
    error_type = refused if error is None else failure.error_type(error)
    measured = route.timed_with(error_type)
    ended = max(ended, started)
    # `recorded`, for the owner's span may be over.
    if not shown or not owner.recorded or suppressed(context.get_current()):
        record(telemetry.operation_duration, ended - started, measured, owner.spanned)
        return
    span = telemetry.tracer.start_span(
        route.span_name,
        owner.spanned,
        SpanKind.CLIENT,
        route.beginning,
        _links(deliveries),
        started,
    )
    try:
        if multiple:
            span.set_attribute(semconv.MESSAGING_BATCH_MESSAGE_COUNT, len(deliveries))
        else:
            span.set_attribute(semconv.MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG, last.tag)
        if error is None:
            span.set_attribute(semconv.VOXTRACE_MESSAGING_SETTLEMENT, verdict.settlement)
            if refused is not None:
                failure.mark(span, refused)
        else:
            failure.mark_exception(span, error)
        in_span = trace.set_span_in_context(span, owner.spanned)
        record(telemetry.operation_duration, ended - started, measured, in_span)
    finally:
        span.end(ended)


def _links(deliveries: list[Delivery]) -> list[Link]:
    if len(deliveries) == 1:
        return [Link(creation) for delivery in deliveries if (creation := delivery.creation) is not None]
    return [Link(delivery.creation or delivery.span_context) for delivery in deliveries]
