"""A publish, from the call to the broker's answer."""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind

from voxtrace._guard import report
from voxtrace.messaging import attributes, failure, names
from voxtrace.messaging.delivery import Delivery
from voxtrace.messaging.destination import published_to
from voxtrace.messaging.headers import headers_of
from voxtrace.messaging.injection import inject
from voxtrace.messaging.processing import Processing
from voxtrace.messaging.propagation import created, distrusting, strange, suppressed
from voxtrace.messaging.route import Route
from voxtrace.messaging.telemetry import Telemetry, record

_MARK: Final = "_voxtrace_publication"
# The headers that hardly two publishes share; the broker sends them back as they were.
_TELLING: Final = (names.TRACEPARENT, names.HEADER_ENQUEUED_AT)


@dataclass(slots=True, kw_only=True, eq=False)
class Publication:
    """
    One publish under way, with its PRODUCER span.

    Attributes:
        properties: A copy of the caller's properties that carries the span's context.
        context: To be current while pika publishes.
        deferred: Another thread sends the message, and finishes the publish.
        awaited: The broker's confirm finishes it.
    """

    properties: Any
    context: Context
    span: Span
    started: int
    telemetry: Telemetry
    route: Route
    deferred: bool = False
    awaited: bool = False
    _error_type: str | None = None
    _ended: bool = False

    def mark(self, *, deferred: bool) -> None:
        """Leaves word with the properties, for the channel below, that this publish is traced."""
        self.deferred = deferred
        self.properties._voxtrace_publication = self  # noqa: SLF001 - as `taken_from` removes

    @staticmethod
    def unmarked(properties: Any) -> Any:
        """A copy of `properties` with word for the channel below that this publish is not to be traced."""
        copied = _copy(properties)
        copied._voxtrace_publication = False  # noqa: SLF001 - as `taken_from` removes
        return copied

    @staticmethod
    def taken_from(properties: Any) -> "Publication | Literal[False] | None":
        """The publish that a channel above began to trace, False if it must not be; asked once for each."""
        publication: Publication | Literal[False] | None = getattr(properties, _MARK, None)
        if publication is not None:
            delattr(properties, _MARK)
        return publication

    def is_of(self, method: Any, properties: Any) -> bool:
        """True if a message the broker sent back may be this one, and this one did not come back before."""
        if self._error_type is not None:
            return False
        # One that is published again carries the creation context of its first time.
        ours, theirs = (p.headers or {} for p in (self.properties, properties))
        if any(ours.get(name) != theirs.get(name) for name in _TELLING):
            return False
        return published_to(method.exchange, method.routing_key) == self.route.destination

    def fail(self, error_type: str) -> None:
        """Marks the span as an error; the first one counts."""
        if self._error_type is None and not self._ended:
            self._error_type = error_type
            failure.mark(self.span, error_type)

    def finish(self, error: BaseException | None = None, error_type: str | None = None) -> None:
        """Ends the span, as an error if pika raised or the broker refused, and counts the message."""
        try:
            if self._ended:
                return
            ended = max(time.time_ns(), self.started)
            try:
                if error is not None:
                    self._error_type = failure.mark_exception(self.span, error)
                elif error_type is not None:
                    self.fail(error_type)
                if self.telemetry.measuring:
                    self._measure(ended - self.started)
            finally:
                self._ended = True
                self.span.end(ended)
        except Exception as ours:  # noqa: BLE001 - as `guarded` does
            report("end the span of a publish", ours)

    def _measure(self, nanoseconds: int) -> None:
        telemetry = self.telemetry
        measured = self.route.measured_with(self._error_type)
        telemetry.sent.add(measured)
        timed = self.route.timed_with(self._error_type)
        record(telemetry.operation_duration, nanoseconds, timed, self.context)
        if telemetry.former is not None:
            telemetry.former.published(nanoseconds, measured, self.context)


def begin(
    telemetry: Telemetry,
    channel: Any,
    exchange: Any,
    routing_key: Any,
    properties: Any,
    *,
    marking: bool = False,
) -> Publication | None:
    """
    Starts a publish; None where it is not to be traced.

    One that is `marking` will be told to the channel below by way of the properties, if they let it.
    """
    try:
        current = context.get_current()
        if not telemetry.enabled or suppressed(current):
            return None
        selection = telemetry.selection
        if selection.excludes and selection.excludes_publish(exchange, routing_key):
            return None
        headers = headers_of(properties)
        if names.HEADER_EXCEPTION_TYPE in headers:
            Delivery.note_failure(current, headers)
        route = telemetry.routes.published(channel, exchange, routing_key)
        copied = _copy(properties)
        if marking:
            # Before there is a span: properties that take no note of ours are traced by the channel below.
            copied._voxtrace_publication = None  # noqa: SLF001 - as `taken_from` removes
        begun = _start(telemetry, current, properties, copied, headers, route)
        if telemetry.former is not None and begun.span.is_recording():
            telemetry.former.describe(begun.span, route, exchange, routing_key, properties)
    except Exception as error:  # noqa: BLE001 - as `guarded` does
        report("start the span of a publish", error)
        return None
    else:
        return begun


def _start(  # noqa: PLR0917 - one caller, who has them all
    telemetry: Telemetry,
    current: Context,
    properties: Any,
    copied: Any,
    headers: Mapping[Any, Any],
    route: Route,
) -> Publication:
    parent, creation = _lineage(telemetry, headers, current) if headers else (current, None)
    started = time.time_ns()
    telemetry.look(started)
    span = telemetry.tracer.start_span(
        route.span_name,
        parent,
        SpanKind.PRODUCER,
        # All at once: the SDK takes as long for a second call as for three more attributes.
        {**route.beginning, **attributes.message(properties)},
        None if creation is None else (Link(creation),),
        started,
    )
    spanned = trace.set_span_in_context(span, parent)
    copied.headers = inject(
        headers,
        spanned,
        creation=creation,
        previous=None if creation is None else _previous(telemetry, current, creation),
        allowed=telemetry.selection.baggage,
    )
    return Publication(
        properties=copied,
        context=spanned,
        span=span,
        started=started,
        telemetry=telemetry,
        route=route,
    )


def _lineage(
    telemetry: Telemetry, headers: Mapping[Any, Any], current: Context
) -> tuple[Context, SpanContext | None]:
    """
    The parent of a publish, and the creation context that its message has already, if it is published again.

    That one is the parent where no span is current. What a stranger sent starts anew when it is passed on.
    """
    creation = None if strange(current) else created(headers)
    if creation is None:
        return current, None
    if telemetry.selection.is_strangers(creation):
        return distrusting(current), None
    if trace.get_current_span(current).get_span_context().is_valid:
        return current, creation
    return trace.set_span_in_context(NonRecordingSpan(creation), current), creation


def _previous(telemetry: Telemetry, current: Context, creation: SpanContext) -> SpanContext | None:
    """The attempt that came before, of a message that is published again."""
    working = Processing.current(current)
    if working is not None:
        return working.span_context
    return telemetry.memory.last(creation, "")


def _copy(properties: Any) -> Any:
    if properties is None:
        return _no_properties()
    cls: Any = type(properties)
    if cls.__module__ != "pika.spec":
        return copy.copy(properties)
    # The same for what is known to be a plain object, in a fifth of the time.
    copied = cls.__new__(cls)
    copied.__dict__.update(properties.__dict__)
    return copied


def _no_properties() -> Any:
    import pika  # noqa: PLC0415 - pika may be absent; whoever publishes has it

    return pika.BasicProperties()
