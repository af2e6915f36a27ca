"""
A consumer that takes what is on a queue and ends.

Usage: restarted.py voxtrace|upstream ADAPTER URL QUEUE MESSAGES keep|ack
It says which bodies it took and how many spans it made of them. With `keep` it leaves without settling, as
one that is restarted in the middle of its work does: the broker gives every message to the next.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

sys.path.append(str(Path(__file__).parents[3]))
from contract.messaging.adapters.registry import ADAPTERS

DEADLINE = 30.0

instrumentation, adapter, url, queue, count, settle = sys.argv[1:]
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

taken: list[tuple[str, int]] = []
end = ADAPTERS[adapter](url)


def on_message(_channel: object, method: object, _properties: object, body: bytes) -> None:
    """Take one message."""
    taken.append((body.decode(), method.delivery_tag))


end.consume(queue, on_message)
end.run(lambda: len(taken) >= int(count), DEADLINE)
if settle == "ack" and taken:
    end.channel.basic_ack(taken[-1][1], multiple=True)
end.close()
reader.get_metrics_data()
spans = [span.name for span in exporter.get_finished_spans()]
made = spans.count(f"{end.taking} {queue}")
sys.stdout.write(json.dumps({"bodies": [body for body, _ in taken], "spans": made}) + "\n")
