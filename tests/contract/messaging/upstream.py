"""A program traced by opentelemetry-instrumentation-pika: prints its trace id, then its span ids."""

from __future__ import annotations

import sys

import pika
from opentelemetry.instrumentation.pika import PikaInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

role, url, queue = sys.argv[1:]
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
PikaInstrumentor().instrument(tracer_provider=provider)

with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    if role == "produce":
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"from upstream")
    else:

        def on_message(*_args: object) -> None:
            """Take one message."""
            channel.stop_consuming()

        channel.basic_consume(queue, on_message, auto_ack=True)
        channel.start_consuming()

spans = exporter.get_finished_spans()
(trace,) = {span.context.trace_id for span in spans}
sys.stdout.write(f"{trace:032x} " + " ".join(f"{span.context.span_id:016x}" for span in spans))
