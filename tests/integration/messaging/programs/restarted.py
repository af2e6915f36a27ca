"""
A consumer that takes what is on a queue and ends.

Usage: restarted.py voxtrace|upstream URL QUEUE MESSAGES keep|ack
It says which bodies it took and how many spans it made of them. With `keep` it leaves without settling, as
one that is restarted in the middle of its work does: the broker gives every message to the next.
"""

from __future__ import annotations

import json
import sys

import pika
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

instrumentation, url, queue, count, settle = sys.argv[1:]
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
reader = InMemoryMetricReader()

if instrumentation == "upstream":
    from opentelemetry.instrumentation.pika import PikaInstrumentor

    PikaInstrumentor().instrument(tracer_provider=provider)
else:
    from voxtrace.messaging import PikaInstrumentor

    PikaInstrumentor().instrument(tracer_provider=provider, meter_provider=MeterProvider([reader]))

bodies: list[str] = []
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()

    def on_message(
        _channel: object, method: pika.spec.Basic.Deliver, _properties: object, body: bytes
    ) -> None:
        """Take one message."""
        bodies.append(body.decode())
        if len(bodies) == int(count):
            if settle == "ack":
                channel.basic_ack(method.delivery_tag, multiple=True)
            channel.stop_consuming()

    channel.basic_consume(queue, on_message)
    connection.call_later(30, channel.stop_consuming)
    channel.start_consuming()
reader.get_metrics_data()
spans = [span.name for span in exporter.get_finished_spans()]
processed = spans.count(f"process {queue}")
sys.stdout.write(json.dumps({"bodies": bodies, "processed": processed}) + "\n")
