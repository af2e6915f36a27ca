"""
The same spans and durations per message as ours, written by hand: what the OpenTelemetry SDK takes for them.

It trusts its own headers, knows one queue, guards nothing and counts nothing: no instrumentation that gives
these spans and durations with these attributes through the API can cost less.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from pika.adapters.blocking_connection import BlockingChannel

from voxtrace import semconv

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

ENQUEUED_AT = "voxtrace-enqueued-at"
COMMON = {"messaging.system": "rabbitmq", "server.address": "127.0.0.1", "server.port": 5672}
MEASURED = COMMON | {"messaging.destination.name": "jobs"}
PUBLISHED = MEASURED | {"messaging.operation.name": "publish", "messaging.operation.type": "send"}
PROCESSED = MEASURED | {"messaging.operation.name": "process"}
SETTLED = MEASURED | {"messaging.operation.name": "ack", "messaging.operation.type": "settle"}
WAITED = {"messaging.system": "rabbitmq", "voxtrace.messaging.queue.name": "jobs"}


def instrument(tracer_provider: TracerProvider, meter_provider: MeterProvider | None = None) -> None:
    """Replace publish, consume and, where it is measured, ack of every BlockingChannel, for good."""
    floor = Floor(tracer_provider.get_tracer("floor"), meter_provider)
    BlockingChannel.basic_publish = floor.publishing(BlockingChannel.basic_publish)
    BlockingChannel.basic_consume = floor.consuming(BlockingChannel.basic_consume)
    if meter_provider is not None:
        BlockingChannel.basic_ack = floor.acknowledging(BlockingChannel.basic_ack)


class Floor:
    """What writes the spans, and takes the durations."""

    def __init__(self, tracer: Tracer, meter_provider: MeterProvider | None) -> None:
        self._start_span = tracer.start_span
        self._described: dict[tuple[str, str], dict[str, Any]] = {}
        self._measuring = meter_provider is not None
        if meter_provider is not None:
            meter = meter_provider.get_meter("floor")
            self._operations = semconv.METRIC_MESSAGING_CLIENT_OPERATION_DURATION.histogram(meter)
            self._processings = semconv.METRIC_MESSAGING_PROCESS_DURATION.histogram(meter)
            self._waits = semconv.METRIC_VOXTRACE_MESSAGING_WAIT_DURATION.histogram(meter)
            self._prefetches = semconv.METRIC_VOXTRACE_MESSAGING_WAIT_PREFETCH_DURATION.histogram(meter)

    def publishing(self, original: Callable[..., None]) -> Callable[..., None]:
        """A `basic_publish` with its span."""

        def basic_publish(channel: Any, exchange: str, queue: str, body: bytes, properties: Any) -> None:
            current, started = context.get_current(), time.time_ns()
            attributes = {
                **self._common("publish", queue),
                "messaging.message.id": properties.message_id,
                "messaging.message.conversation_id": properties.correlation_id,
            }
            span = self._start_span(f"publish {queue}", current, SpanKind.PRODUCER, attributes, None, started)
            trace_id, span_id, _, flags, *_ = span.get_span_context()
            sent = copy.copy(properties)
            sent.headers = {
                **properties.headers,
                "traceparent": f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}",
                ENQUEUED_AT: started // 1_000_000,
            }
            spanned = trace.set_span_in_context(span, current)
            token = context.attach(spanned)
            original(channel, exchange, queue, body, sent)
            context.detach(token)
            if self._measuring:
                _record(self._operations, started, PUBLISHED, spanned)
            span.end()

        return basic_publish

    def consuming(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A `basic_consume` whose messages have their spans."""

        def basic_consume(channel: Any, queue: str, callback: Callable[..., None]) -> Any:
            def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
                current, started = context.get_current(), time.time_ns()
                _, trace_id, span_id, flags = properties.headers["traceparent"].split("-")
                creation = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))
                parent = trace.set_span_in_context(NonRecordingSpan(creation), current)
                attributes = {
                    **self._common("process", queue),
                    "messaging.message.id": properties.message_id,
                    "messaging.message.conversation_id": properties.correlation_id,
                    "messaging.rabbitmq.message.delivery_tag": method.delivery_tag,
                    "voxtrace.messaging.queue.name": queue,
                    "voxtrace.messaging.redelivered": method.redelivered,
                    "voxtrace.messaging.delivery.attempt": 1,
                }
                links = (Link(creation),)
                span = self._start_span(
                    f"process {queue}", parent, SpanKind.CONSUMER, attributes, links, started
                )
                spanned = trace.set_span_in_context(span, parent)
                if span.is_recording():
                    self._wait(queue, properties, parent, started)
                if self._measuring:
                    _record(self._prefetches, started, WAITED, spanned)
                token = context.attach(spanned)
                callback(channel, method, properties, body)
                context.detach(token)
                if span.is_recording():
                    span.set_attribute("voxtrace.messaging.settlement", "ack")
                if self._measuring:
                    _record(self._processings, started, PROCESSED, spanned)
                span.end()

            return original(channel, queue, on_message)

        return basic_consume

    def acknowledging(self, original: Callable[..., None]) -> Callable[..., None]:
        """A `basic_ack` that is measured."""

        def basic_ack(channel: Any, delivery_tag: int) -> None:
            started = time.time_ns()
            original(channel, delivery_tag)
            _record(self._operations, started, SETTLED, context.get_current())

        return basic_ack

    def _wait(self, queue: str, properties: Any, parent: Context, delivered: int) -> None:
        attributes = {
            "voxtrace.messaging.queue.name": queue,
            "voxtrace.messaging.wait.source": "producer",
            "voxtrace.messaging.wait.broker": 0.1,
            "voxtrace.messaging.wait.prefetch": 0.1,
            "messaging.message.id": properties.message_id,
        }
        enqueued = properties.headers[ENQUEUED_AT] * 1_000_000
        span: Span = self._start_span(f"wait {queue}", parent, SpanKind.INTERNAL, attributes, None, enqueued)
        if self._measuring:
            _record(self._waits, enqueued, WAITED, trace.set_span_in_context(span, parent))
        span.end(delivered)

    def _common(self, operation: str, queue: str) -> dict[str, Any]:
        found = self._described.get((operation, queue))
        if found is None:
            found = self._described[operation, queue] = {
                **COMMON,
                "messaging.operation.name": operation,
                "messaging.operation.type": {"publish": "send"}.get(operation, operation),
                "messaging.destination.name": queue,
                "messaging.rabbitmq.destination.routing_key": queue,
            }
        return found


def _record(histogram: Histogram, started: int, attributes: dict[str, Any], current: Context) -> None:
    histogram.record((time.time_ns() - started) / 1_000_000_000, attributes, current)
