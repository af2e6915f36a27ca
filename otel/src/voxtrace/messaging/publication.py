"""A publish, from the call to the broker's answer."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind

from voxtrace._guard import guarded
from voxtrace.messaging import attributes, failure, hooks
from voxtrace.messaging.delivery import Delivery
from voxtrace.messaging.injection import inject
from voxtrace.messaging.processing import Processing
from voxtrace.messaging.propagation import extract, strange, suppressed
from voxtrace.messaging.route import Route
from voxtrace.messaging.telemetry import Telemetry, record

Method = Callable[..., Any]

_PUBLISHING = "voxtrace-messaging-publishing"


@dataclass(slots=True, kw_only=True)
class Publication:
    """
    One publish under way, with its PRODUCER span.

    Attributes:
        properties: A copy of the caller's properties that carries the span's context.
        context: To be current while pika publishes; marks the publish as already traced.
    """

    properties: Any
    context: Context
    span: Span
    started: int
    telemetry: Telemetry
    route: Route

    def finish(self, error: BaseException | None) -> None:
        """Ends the span, as an error if pika raised, and counts the message."""
        with guarded("end the span of a publish"):
            ended = max(time.time_ns(), self.started)
            try:
                error_type = None if error is None else failure.mark_exception(self.span, error)
                measured = self.route.measured_with(error_type)
                self.telemetry.sent.add(1, measured, self.context)
                timed = self.route.timed_with(error_type)
                record(self.telemetry.operation_duration, ended - self.started, timed, self.context)
                if self.telemetry.former is not None:
                    self.telemetry.former.published(ended - self.started, measured, self.context)
            finally:
                self.span.end(ended)


def publishing(telemetry: Telemetry) -> Callable[[Method], Method]:
    """A `basic_publish` that traces what goes out."""

    def wrap(original: Method) -> Method:
        def basic_publish(
            channel: Any,
            exchange: Any,
            routing_key: Any,
            body: Any,
            properties: Any = None,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            begun = begin(telemetry, channel, exchange, routing_key, properties)
            if begun is None:
                return original(channel, exchange, routing_key, body, properties, *args, **kwargs)
            token = context.attach(begun.context)
            try:
                hook = telemetry.configuration.publish_hook
                if hook is not None:
                    mandatory = args[0] if args else kwargs.get("mandatory", False)
                    publish = exchange, routing_key, mandatory
                    hooks.publishing(hook, begun.span, publish, begun.properties, body)
                result = original(channel, exchange, routing_key, body, begun.properties, *args, **kwargs)
            except BaseException as error:
                begun.finish(error)
                raise
            else:
                begun.finish(None)
                return result
            finally:
                context.detach(token)

        return basic_publish

    return wrap


def begin(
    telemetry: Telemetry, channel: Any, exchange: Any, routing_key: Any, properties: Any
) -> Publication | None:
    """Starts a publish; None where it is not to be traced, or is part of one that is."""
    with guarded("start the span of a publish"):
        current = context.get_current()
        selection = telemetry.selection
        if selection.excludes and selection.excludes_publish(exchange, routing_key):
            return None
        if telemetry.enabled and not suppressed(current) and not current.get(_PUBLISHING):
            Delivery.note_failure(current, getattr(properties, "headers", None))
            route = telemetry.routes.published(channel, exchange, routing_key)
            begun = _start(telemetry, current, properties, route)
            if telemetry.former is not None and begun.span.is_recording():
                telemetry.former.describe(begun.span, route, exchange, routing_key, properties)
            return begun
    return None


def _start(telemetry: Telemetry, current: Context, properties: Any, route: Route) -> Publication:
    copied = copy.copy(properties) if properties is not None else _no_properties()
    parent, creation = _lineage(copied.headers, current)
    links = [] if creation is None else [Link(creation)]
    started = time.time_ns()
    span = telemetry.tracer.start_span(
        route.span_name, parent, SpanKind.PRODUCER, route.beginning, links, started
    )
    if span.is_recording():
        span.set_attributes(attributes.message(properties))
    spanned = trace.set_span_in_context(span, parent)
    copied.headers = inject(
        copied.headers,
        spanned,
        creation=creation,
        previous=None if creation is None else _previous(telemetry, current, creation),
        allowed=telemetry.selection.baggage,
    )
    return Publication(
        properties=copied,
        context=context.set_value(_PUBLISHING, True, spanned),
        span=span,
        started=started,
        telemetry=telemetry,
        route=route,
    )


def _lineage(headers: object, current: Context) -> tuple[Context, SpanContext | None]:
    """
    The parent of a publish, and the creation context that its message has already, if it is published again.

    That one is the parent where no span is current. What a stranger sent starts anew when it is passed on.
    """
    if not headers or strange(current):
        return current, None
    _, creation = extract(headers, current, "link")
    if creation is None or trace.get_current_span(current).get_span_context().is_valid:
        return current, creation
    return trace.set_span_in_context(NonRecordingSpan(creation), current), creation


def _previous(telemetry: Telemetry, current: Context, creation: SpanContext) -> SpanContext | None:
    """The attempt that came before, of a message that is published again."""
    working = Processing.current(current)
    if working is not None:
        return working.span_context
    return telemetry.memory.last(creation, "")


def _no_properties() -> Any:
    import pika  # noqa: PLC0415 - pika may be absent; whoever publishes has it

    return pika.BasicProperties()
