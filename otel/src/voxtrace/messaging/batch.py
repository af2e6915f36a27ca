"""Several messages worked on together: one `process` span, with a link to each message."""

import dataclasses
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanContext, SpanKind

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.messaging import attributes, names
from voxtrace.messaging.delivery import Delivery
from voxtrace.messaging.destination import Destination
from voxtrace.messaging.headers import NONE, headers_of
from voxtrace.messaging.ledger import Ledger, ledgers
from voxtrace.messaging.processing import Processing
from voxtrace.messaging.propagation import distrusting, extract, suppressed
from voxtrace.messaging.route import Route, transport
from voxtrace.messaging.telemetry import Telemetry

_COUNTS: Final = {
    names.ACK: semconv.VOXTRACE_MESSAGING_SETTLEMENT_ACK_COUNT,
    names.NACK: semconv.VOXTRACE_MESSAGING_SETTLEMENT_NACK_COUNT,
    names.REJECT: semconv.VOXTRACE_MESSAGING_SETTLEMENT_REJECT_COUNT,
    names.REQUEUE: semconv.VOXTRACE_MESSAGING_SETTLEMENT_REQUEUE_COUNT,
    names.CHANNEL_CLOSED: semconv.VOXTRACE_MESSAGING_SETTLEMENT_CHANNEL_CLOSED_COUNT,
}


class Batch(Processing):
    """Work on several messages; its span ends once it is done and all of them are settled."""

    __slots__ = ("_settlements",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options, unsettled=0)
        self._settlements: defaultdict[str, int] = defaultdict(int)

    def expect(self) -> None:
        """Counts a message that is still to be settled."""
        with self._lock:
            self._unsettled += 1

    def release(self) -> None:
        """Gives up a message: to another batch, or because it was settled meanwhile."""
        with self._lock:
            self._unsettled -= 1
            over = self._over()
        if over:
            self._end(self.settlement)

    def _settled(self, settlement: str) -> None:
        first = not self._settlements
        self._settlements[settlement] += 1
        if first or (self.settlement != names.MIXED and len(self._settlements) > 1):
            super()._settled(settlement if first else names.MIXED)

    def _end(self, outcome: str | BaseException | None) -> None:
        if len(self._settlements) > 1:
            for settlement, number in self._settlements.items():
                self.span.set_attribute(_COUNTS[settlement], number)
        super()._end(outcome)


@contextmanager
def batch(deliveries: Iterable[Any], *, channel: Any = None) -> Iterator[Span]:
    """
    Traces the work on several messages inside the block as one, and gives its span.

    The messages may come from callbacks, from `consume()` or from `basic_get`, and be settled inside the
    block or after it, one by one or with `multiple=True`: their settlement shows on this span, which ends
    once all are settled. The process spans that the messages had until now end here.

        with voxtrace.messaging.batch(collected) as span:
            texts = transcribe([body for *_, body in collected])
            channel.basic_ack(last_tag, multiple=True)

    Args:
        deliveries: Per message what pika gave: (channel, method, properties, ...) as to a callback,
            (method, properties, ...) as `consume()` and `basic_get` do, or an object with these attributes.
        channel: The channel of the messages that do not say theirs.
    """
    messages = list(deliveries)
    begun = None
    with guarded("start the span of a batch"):
        begun = _begin([_read(message, channel) for message in messages])
    if begun is None:
        yield INVALID_SPAN
        return
    token = context.attach(begun.context)
    try:
        yield begun.span
    except BaseException as error:
        begun.raised(error)
        raise
    else:
        begun.returned()
    finally:
        context.detach(token)


class _Message(NamedTuple):
    channel: Any
    method: Any
    properties: Any


def _read(message: Any, channel: Any) -> _Message:
    if not isinstance(message, tuple | list):
        return _Message(getattr(message, "channel", channel), message.method, message.properties)
    if hasattr(message[0], "delivery_tag"):
        return _Message(channel, message[0], message[1])
    return _Message(message[0], message[1], message[2])


def _begin(messages: list[_Message]) -> Batch | None:
    current = context.get_current()
    found = [_find(message) for message in messages]
    telemetry = _telemetry(found)
    if telemetry is None or not messages or suppressed(current):
        return None
    # Inside a message's callback the batch is no part of that message alone.
    working = Processing.current(current)
    ambient = working.ambient if working is not None else current
    links = [_link(message, at and at[1]) for message, at in zip(messages, found, strict=True)]
    route = _route(telemetry, messages, found)
    parent = trace.set_span_in_context(INVALID_SPAN, ambient)
    if any(at is not None and at[1].strange for at in found):
        parent = distrusting(parent)
    around = trace.get_current_span(ambient)
    if around.is_recording():
        links.append(Link(around.get_span_context()))
    started = time.time_ns()
    span = telemetry.tracer.start_span(
        route.span_name,
        parent,
        SpanKind.CONSUMER,
        {**route.beginning, semconv.MESSAGING_BATCH_MESSAGE_COUNT: len(messages)},
        [link for link in links if link is not None],
        started,
    )
    begun = Batch(telemetry, span, route, started, parent=parent, ambient=ambient)
    # Guarded apart: a span that was started must be handed on, to be ended.
    with guarded("hand messages over to a batch"):
        for message, at in zip(messages, found, strict=True):
            if at is not None:
                at[0].hand_over(transport(message.channel), message.method.delivery_tag, begun)
    return begun


def _find(message: _Message) -> tuple[Ledger, Delivery] | None:
    if message.channel is None:
        return None
    for ledger in ledgers():
        for delivery in ledger.find(transport(message.channel), message.method.delivery_tag):
            return ledger, delivery
    return None


def _telemetry(found: list[tuple[Ledger, Delivery] | None]) -> Telemetry | None:
    for at in found:
        if at is not None:
            return at[0].telemetry
    # Messages that need no settlement are in no ledger.
    for ledger in ledgers():
        return ledger.telemetry
    return None


def _link(message: _Message, delivery: Delivery | None) -> Link | None:
    """Leads to where the message was created, else to the span that it had until now."""
    origin: SpanContext | None
    headers = headers_of(message.properties)
    if delivery is not None:
        origin = delivery.creation or delivery.span_context
        headers = NONE if delivery.strange else headers
    else:
        _, origin = extract(headers, context.Context())
    if origin is None:
        return None
    described = attributes.delivery(message.method, message.properties, headers)
    routing_key = message.method.routing_key
    if routing_key and isinstance(routing_key, str):
        described[semconv.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY] = routing_key
    return Link(origin, described)


def _route(
    telemetry: Telemetry, messages: list[_Message], found: list[tuple[Ledger, Delivery] | None]
) -> Route:
    """The way all messages came by; of different ways their queue, and else nothing."""
    queues = {at[1].route.queue if at is not None else "" for at in found}
    queue = queues.pop() if len(queues) == 1 else ""
    first = messages[0]
    same = {(message.method.exchange, message.method.routing_key) for message in messages}
    if len(same) == 1:
        return telemetry.routes.consumed(
            first.channel, first.method.exchange, first.method.routing_key, queue
        )
    if queue:
        return telemetry.routes.consumed(first.channel, "", "", queue)
    return _nowhere(telemetry.routes.consumed(first.channel, "", "", ""))


def _nowhere(route: Route) -> Route:
    def without(named: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in named.items() if name != semconv.MESSAGING_DESTINATION_NAME}

    return dataclasses.replace(
        route,
        destination=Destination("", ""),
        span_name=names.PROCESS,
        beginning=without(route.beginning),
        measured=without(route.measured),
        timed=without(route.timed),
    )
