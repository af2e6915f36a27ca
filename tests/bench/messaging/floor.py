"""
The same three spans per message as ours, written by hand: what the OpenTelemetry SDK itself takes for them.

It trusts its own headers, knows one queue, guards nothing and measures nothing: no instrumentation that
gives these spans with these attributes through the API can cost less.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from pika.adapters.blocking_connection import BlockingChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import TracerProvider

ENQUEUED_AT = "voxtrace-enqueued-at"


def instrument(tracer_provider: TracerProvider) -> None:
    """Replace publish and consume of every BlockingChannel, for good."""
    start_span = tracer_provider.get_tracer("floor").start_span
    original_publish, original_consume = BlockingChannel.basic_publish, BlockingChannel.basic_consume
    described: dict[tuple[str, str], dict[str, Any]] = {}

    def common(operation: str, queue: str, channel: Any) -> dict[str, Any]:
        found = described.get((operation, queue))
        if found is None:
            parameters = channel.connection._impl.params
            found = described[operation, queue] = {
                "messaging.system": "rabbitmq",
                "messaging.operation.name": operation,
                "messaging.operation.type": {"publish": "send"}.get(operation, operation),
                "messaging.destination.name": queue,
                "messaging.rabbitmq.destination.routing_key": queue,
                "server.address": parameters.host,
                "server.port": parameters.port,
            }
        return found

    def basic_publish(channel: Any, exchange: str, queue: str, body: bytes, properties: Any) -> None:
        current, started = context.get_current(), time.time_ns()
        attributes = {
            **common("publish", queue, channel),
            "messaging.message.id": properties.message_id,
            "messaging.message.conversation_id": properties.correlation_id,
        }
        span = start_span(f"publish {queue}", current, SpanKind.PRODUCER, attributes, None, started)
        trace_id, span_id, _, flags, *_ = span.get_span_context()
        sent = copy.copy(properties)
        sent.headers = {
            **properties.headers,
            "traceparent": f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}",
            ENQUEUED_AT: started // 1_000_000,
        }
        token = context.attach(trace.set_span_in_context(span, current))
        original_publish(channel, exchange, queue, body, sent)
        context.detach(token)
        span.end()

    def basic_consume(channel: Any, queue: str, callback: Callable[..., None]) -> Any:
        def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            current, started = context.get_current(), time.time_ns()
            _, trace_id, span_id, flags = properties.headers["traceparent"].split("-")
            creation = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))
            parent = trace.set_span_in_context(NonRecordingSpan(creation), current)
            attributes = {
                **common("process", queue, channel),
                "messaging.message.id": properties.message_id,
                "messaging.message.conversation_id": properties.correlation_id,
                "messaging.rabbitmq.message.delivery_tag": method.delivery_tag,
                "voxtrace.messaging.queue.name": queue,
                "voxtrace.messaging.redelivered": method.redelivered,
                "voxtrace.messaging.delivery.attempt": 1,
            }
            links = (Link(creation),)
            span = start_span(f"process {queue}", parent, SpanKind.CONSUMER, attributes, links, started)
            waited = {
                "voxtrace.messaging.queue.name": queue,
                "voxtrace.messaging.wait.source": "producer",
                "voxtrace.messaging.wait.broker": 0.1,
                "voxtrace.messaging.wait.prefetch": 0.1,
                "messaging.message.id": properties.message_id,
            }
            enqueued = properties.headers[ENQUEUED_AT] * 1_000_000
            start_span(f"wait {queue}", parent, SpanKind.INTERNAL, waited, None, enqueued).end(started)
            token = context.attach(trace.set_span_in_context(span, parent))
            callback(channel, method, properties, body)
            context.detach(token)
            span.set_attribute("voxtrace.messaging.settlement", "ack")
            span.end()

        return original_consume(channel, queue, on_message)

    BlockingChannel.basic_publish = basic_publish
    BlockingChannel.basic_consume = basic_consume
