"""A message comes into a consumer's hands: its span starts, and what came before is told."""

import time
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind

from voxtrace import semconv
from voxtrace._guard import report
from voxtrace.messaging import attributes, failure, history, names, wait
from voxtrace.messaging.delivery import Delivery, Passing
from voxtrace.messaging.former import Former
from voxtrace.messaging.headers import NONE, headers_of
from voxtrace.messaging.ledger import Ledger
from voxtrace.messaging.propagation import Correlation, extract
from voxtrace.messaging.route import transport

_ATTEMPTED: Final = frozenset({names.HEADER_DEATHS, names.HEADER_PREVIOUS})
_STRANGER: Final = {semconv.VOXTRACE_LINK_REASON: semconv.VOXTRACE_LINK_REASON_UNTRUSTED_SENDER}


def begin(
    ledger: Ledger,
    current: Context,
    channel: Any,
    method: Any,
    properties: Any,
    *,
    queue: str,
    auto_ack: bool,
    operation: str = names.PROCESS,
    correlation: Correlation = "parent",
    started: int | None = None,
    arrived: int | None = None,
) -> Delivery | Passing:
    """
    Starts the span of a message, and notes the message in the ledger unless it needs no settlement.

    Where the span is not sampled and nobody takes measurements, the message just passes.

    Args:
        ledger: Where its settlement will be looked for.
        current: The context that it is delivered in.
        channel: The channel by which it came.
        method: What pika says of the delivery.
        properties: The message's.
        queue: The queue that it was in; empty where that is unknown.
        auto_ack: Whether it needs no settlement.
        operation: `process` for a message handed to code that works on it, `receive` for one that was got.
        correlation: How its context is taken; of a stranger's message the headers tell nothing else.
        started: When the span started, in ns; now, if not said.
        arrived: When the message came to this client, in ns, if that was seen.
    """
    telemetry = ledger.telemetry
    headers = headers_of(properties)
    remarks = failure.remarks(headers)
    parent, creation = extract(
        headers, current, correlation, allowed=telemetry.selection.baggage, refused=telemetry.refuse
    )
    if correlation == "untrusted":
        headers = NONE
        telemetry.selection.note_stranger(creation)
    route = telemetry.routes.consumed(channel, method.exchange, method.routing_key, queue, operation)
    redelivered = bool(getattr(method, "redelivered", False))
    links = _links(creation, current, correlation)
    if redelivered or not headers.keys().isdisjoint(_ATTEMPTED):
        previous = history.previous_attempt(
            telemetry.memory,
            creation,
            queue,
            redelivered=redelivered,
            headers=headers,
            refused=telemetry.refuse,
        )
        if previous is not None:
            links.append(previous)
    started = time.time_ns() if started is None else started
    span = telemetry.tracer.start_span(
        route.span_name,
        parent,
        SpanKind.CLIENT if operation == names.RECEIVE else SpanKind.CONSUMER,
        # All at once: the SDK takes as long for a second call as for three more attributes.
        {**route.beginning, **attributes.delivery(method, properties, headers)},
        links,
        started,
    )
    if not telemetry.look(started) and operation == names.PROCESS and not span.is_recording():
        return Passing(trace.set_span_in_context(span, parent))
    delivery = Delivery(
        telemetry,
        span,
        route,
        started,
        parent=parent,
        ambient=current,
        auto_ack=auto_ack,
        tag=method.delivery_tag,
        strange=correlation == "untrusted",
        creation=creation,
        remarks=remarks,
    )
    # Guarded apart: a span that was started must be handed on, to be ended.
    try:
        if not auto_ack:
            ledger.open(transport(channel), method.delivery_tag, delivery)
        # A message that continues no trace has none but the one that starts here.
        continued = creation is not None and correlation == "parent"
        waiting = parent if continued else delivery.spanned
        _note(delivery, method, properties, headers, waiting, redelivered=redelivered, arrived=arrived)
    except Exception as error:  # noqa: BLE001 - as `guarded` does
        report("note a delivered message", error)
    return delivery


def _note(
    delivery: Delivery,
    method: Any,
    properties: Any,
    headers: Mapping[Any, Any],
    waiting: Context,
    *,
    redelivered: bool,
    arrived: int | None,
) -> None:
    telemetry, route = delivery.telemetry, delivery.route
    if telemetry.measuring:
        telemetry.consumed.add(route.measured)
        if arrived is not None:
            wait.report_prefetch(telemetry, arrived, delivery.started, route=route, context=delivery.spanned)
    if telemetry.former is not None:
        _describe_formerly(telemetry.former, delivery, method, properties)
    if route.operation == names.RECEIVE:
        # Who publishes it again will have no span of this message around.
        delivery.remember()
    # A redelivered message was in a consumer's hands since; when it came back only the broker knows.
    waited = None if redelivered else wait.measure(headers, delivery.started, arrived)
    if waited is not None:
        _report(waited, delivery, properties, waiting)


def _describe_formerly(former: Former, delivery: Delivery, method: Any, properties: Any) -> None:
    span, route = delivery.span, delivery.route
    if delivery.recorded:
        former.describe(span, route, method.exchange, method.routing_key, properties)
    if route.operation == names.PROCESS:
        former.processed(route.measured, delivery.spanned)


def _report(waited: wait.Wait, delivery: Delivery, properties: Any, waiting: Context) -> None:
    telemetry, route = delivery.telemetry, delivery.route
    if delivery.recorded and telemetry.configuration.wait_spans:
        wait.report(telemetry, waited, route, waiting, message_id=getattr(properties, "message_id", None))
    else:
        wait.record_alone(telemetry, waited, route, delivery.spanned)


def _links(creation: SpanContext | None, current: Context, correlation: Correlation) -> list[Link]:
    links = []
    if creation is not None:
        links.append(Link(creation, _STRANGER if correlation == "untrusted" else None))
    # A thread keeps the context it was started in; a span that is over is no circumstance of this delivery.
    if current and (ambient := trace.get_current_span(current)).is_recording():
        links.append(Link(ambient.get_span_context()))
    return links
