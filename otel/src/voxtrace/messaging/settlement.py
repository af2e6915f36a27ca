"""A settlement: noted on the message's span, measured, and a span of its own where that is wanted."""

import time
from collections.abc import Callable
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
from voxtrace.messaging.route import transport
from voxtrace.messaging.telemetry import record

Method = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a settlement says of its messages, by which method, and whether they failed."""

    operation: str
    settlement: str
    error_type: str | None = None


_DONE: Final = Verdict(names.ACK, names.ACK)
# "Not now": the message is none the worse, as RabbitMQ 4.3 counts it too.
_LATER: Final = Verdict(names.NACK, names.REQUEUE)
_REFUSED: Final = Verdict(names.NACK, names.NACK, names.ERROR_REJECTED)
_PUT_BACK: Final = Verdict(names.REJECT, names.REQUEUE, names.ERROR_REJECTED)
_REJECTED: Final = Verdict(names.REJECT, names.REJECT, names.ERROR_REJECTED)


class Flushed(int):
    """
    The delivery tag of a settlement that the channel above notes, once it is flushed.

    It goes the way of the settlement: nothing is to be kept in step between threads, callbacks and signals.
    """

    accepted = False
    """Whether the channel below took the settlement, into a buffer."""


def acknowledging(ledger: Ledger, *, flushing: bool = False) -> Callable[[Method], Method]:
    """
    A `basic_ack` that is noted; one that is `flushing` belongs to a BlockingChannel.

    The channel below that only fills a buffer. That the connection is lost is found when it is flushed, by
    when the closing of the channel has settled the message: so it is the channel above that takes note.
    """

    def wrap(original: Method) -> Method:
        def basic_ack(channel: Any, *args: Any, **kwargs: Any) -> Any:
            tag = args[0] if args else kwargs.get("delivery_tag", 0)
            multiple = args[1] if len(args) > 1 else kwargs.get("multiple", False)
            send = _flush if flushing else _send
            return send(ledger, _DONE, original, channel, tag, multiple, args, kwargs)

        return basic_ack

    return wrap


def negatively_acknowledging(ledger: Ledger, *, flushing: bool = False) -> Callable[[Method], Method]:
    """A `basic_nack` that is noted."""

    def wrap(original: Method) -> Method:
        def basic_nack(channel: Any, *args: Any, **kwargs: Any) -> Any:
            tag = args[0] if args else kwargs.get("delivery_tag", 0)
            multiple = args[1] if len(args) > 1 else kwargs.get("multiple", False)
            requeue = args[2] if len(args) > 2 else kwargs.get("requeue", True)  # noqa: PLR2004 - its place
            verdict = _LATER if requeue else _REFUSED
            send = _flush if flushing else _send
            return send(ledger, verdict, original, channel, tag, multiple, args, kwargs)

        return basic_nack

    return wrap


def rejecting(ledger: Ledger, *, flushing: bool = False) -> Callable[[Method], Method]:
    """A `basic_reject` that is noted."""

    def wrap(original: Method) -> Method:
        def basic_reject(channel: Any, *args: Any, **kwargs: Any) -> Any:
            tag = args[0] if args else kwargs.get("delivery_tag", 0)
            requeue = args[1] if len(args) > 1 else kwargs.get("requeue", True)
            verdict = _PUT_BACK if requeue else _REJECTED
            send = _flush if flushing else _send
            return send(ledger, verdict, original, channel, tag, False, args, kwargs)

        return basic_reject

    return wrap


def _send(  # noqa: PLR0917 - on the way of every message
    ledger: Ledger,
    verdict: Verdict,
    original: Method,
    channel: Any,
    tag: Any,
    multiple: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Settles on pika's callback-style channel, or on whatever else has no channel below."""
    if type(tag) is Flushed:
        result = original(channel, *args, **kwargs)
        tag.accepted = True
        return result
    if verdict is not _DONE:
        _remember(ledger, channel, tag, multiple)
    started = time.time_ns()
    try:
        result = original(channel, *args, **kwargs)
    except BaseException as error:
        _failed(ledger, verdict, channel, tag, multiple, started, error)
        raise
    _settled(ledger, verdict, channel, tag, multiple, started)
    return result


def _flush(  # noqa: PLR0917 - on the way of every message
    ledger: Ledger,
    verdict: Verdict,
    original: Method,
    channel: Any,
    tag: Any,
    multiple: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Settles on a BlockingChannel."""
    if type(tag) is not int:
        # No tag at all: pika's to say, and the channel's below to note.
        return original(channel, *args, **kwargs)
    flushed, below = Flushed(tag), transport(channel)
    if args:
        args = (flushed, *args[1:])
    else:
        kwargs["delivery_tag"] = flushed
    if verdict is not _DONE:
        _remember(ledger, below, tag, multiple)
    started = time.time_ns()
    try:
        result = original(channel, *args, **kwargs)
    except BaseException as error:
        # Flushing runs what other threads handed over, too: what that raises is no word on the settlement.
        if flushed.accepted and not ledger.closed(below):
            _settled(ledger, verdict, below, tag, multiple, started)
        else:
            _failed(ledger, verdict, below, tag, multiple, started, error)
        raise
    _settled(ledger, verdict, below, tag, multiple, started)
    return result


def recovering(ledger: Ledger) -> Callable[[Method], Method]:
    """A `basic_recover` that is noted: it puts every unsettled message of the channel back."""

    def wrap(original: Method) -> Method:
        def basic_recover(channel: Any, *args: Any, **kwargs: Any) -> Any:
            _remember(ledger, channel, 0, multiple=True)
            result = original(channel, *args, **kwargs)
            _settle(ledger, channel, 0, names.REQUEUE, multiple=True)
            return result

        return basic_recover

    return wrap


def _settle(
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


def _remember(ledger: Ledger, channel: Any, delivery_tag: Any, multiple: Any) -> None:
    # Before the broker hears of it: the message may be back before the call is.
    with guarded("remember a refused message"):
        for delivery in _find(ledger, channel, delivery_tag, multiple=multiple):
            delivery.remember()


def _settled(  # noqa: PLR0917 - what pika's methods take, on the way of every message
    ledger: Ledger, verdict: Verdict, channel: Any, delivery_tag: Any, multiple: Any, started: int
) -> None:
    ended = time.time_ns()
    settled = _settle(
        ledger, channel, delivery_tag, verdict.settlement, multiple=multiple, error_type=verdict.error_type
    )
    if settled:
        try:
            telemetry = settled[-1].telemetry
            wanted = telemetry.configuration.settle_spans
            shown = wanted == "all" or (wanted == "failures" and verdict is not _DONE)
            if shown or telemetry.measuring:
                _report(verdict, settled, multiple, started, ended, None, shown=shown)
        except Exception as error:  # noqa: BLE001 - as `guarded` does
            report("report a settlement", error)


def _failed(  # noqa: PLR0917 - as above
    ledger: Ledger,
    verdict: Verdict,
    channel: Any,
    delivery_tag: Any,
    multiple: Any,
    started: int,
    error: BaseException,
) -> None:
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
