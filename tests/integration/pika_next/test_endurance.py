"""What the thread-safe adapter of pika 1.5 lives through: hostile headers at every start, and long jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from contract.messaging.adapters.adapter import connect
from contract.messaging.adapters.thread_safe import ThreadSafe
from integration.messaging.test_long_jobs import HEARTBEAT, SECOND, send, with_heartbeat
from integration.messaging.test_restarts import no_restart_crashes
from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.messaging.children import Child
    from voxtrace_services.native import RabbitMQ

DEADLINE = 30.0


def test_hostile_headers_crash_no_restart(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child]
) -> None:
    """Of 25 processes that find the same hostile messages, each takes every one, and none crashes."""
    no_restart_crashes(rabbitmq, queue(), run, "thread_safe")


def test_a_job_of_ten_heartbeats_runs_once(rabbitmq: RabbitMQ, queue: Callable[..., str]) -> None:
    """Worked on in the callback for ten heartbeats, a message comes once, and its span lasts as long."""
    name = queue("long")
    (trace,) = send(rabbitmq.url, name, 10 * HEARTBEAT)
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    PikaInstrumentor().instrument(tracer_provider=provider)
    end = ThreadSafe(with_heartbeat(rabbitmq.url))
    deliveries: list[bool] = []

    def work(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        deliveries.append(method.redelivered)
        time.sleep(float(body))  # the job under test
        channel.basic_ack(method.delivery_tag)

    def finished() -> list[Any]:
        return [span for span in exporter.get_finished_spans() if span.name == f"process {name}"]

    try:
        end.consume(name, work)
        assert end.run(finished, DEADLINE), "the span never ended"
        assert end.channel.is_open
    finally:
        end.close()
        PikaInstrumentor().uninstrument()
    (process,) = finished()
    assert deliveries == [False]
    assert f"{process.context.trace_id:032x}" == trace
    assert process.attributes["voxtrace.messaging.settlement"] == "ack"
    assert process.end_time - process.start_time >= 10 * HEARTBEAT * SECOND
    with connect(rabbitmq.url) as connection:
        assert connection.channel().queue_declare(name, passive=True).method.message_count == 0
