"""
`voxtrace.messaging` with the SDK that is installed beside it.

Usage: alone.py URL QUEUE
It says which distributions are there, what of OpenTelemetry the import brought, and one message's spans.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata

import voxtrace.messaging

brought = sorted(
    {
        ".".join(name.split(".")[:2])
        for name in sys.modules
        if name.split(".")[0] in {"opentelemetry", "wrapt"} and name != "opentelemetry"
    }
)

import pika  # noqa: E402 - what voxtrace.messaging brings is looked at first
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402 - as above
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402 - as above
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402 - as above

url, queue = sys.argv[1:]
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
voxtrace.messaging.PikaInstrumentor().instrument(tracer_provider=provider)

with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"body")

    def on_message(_channel: object, method: pika.spec.Basic.Deliver, *_message: object) -> None:
        """Take one message."""
        channel.basic_ack(method.delivery_tag)
        channel.stop_consuming()

    channel.basic_consume(queue, on_message)
    channel.start_consuming()

spans = exporter.get_finished_spans()
installed = {each.name: each.version for each in metadata.distributions()}
sys.stdout.write(
    json.dumps(
        {
            "sdk": installed["opentelemetry-sdk"],
            "wrapt": "wrapt" in installed,
            "contrib": sorted(name for name in installed if name.startswith("opentelemetry-instrumentation")),
            "brought": brought,
            "spans": [span.name for span in spans],
            "traces": len({span.context.trace_id for span in spans}),
        }
    )
    + "\n"
)
