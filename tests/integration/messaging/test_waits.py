"""The wait that is told, and the wait that was."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from integration.messaging.broker_times import firehose, stamp_messages
from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable

    from pika.adapters.blocking_connection import BlockingChannel

    from integration.messaging.children import Child
    from integration.otel.conftest import Sink
    from voxtrace_services.native import RabbitMQ

DEADLINE = 30.0
MESSAGES = 21
MILLISECOND = 1_000_000
SECOND = 1000 * MILLISECOND
CLOSE = 5 * MILLISECOND


class Recorder:
    """Spans and measurements of the channels given to it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self._tracers = TracerProvider(shutdown_on_exit=False)
        self._tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._meters = MeterProvider([self._reader], shutdown_on_exit=False)

    def trace(self, channel: BlockingChannel) -> None:
        """Trace one channel: other connections of this process must not be slowed."""
        PikaInstrumentor.instrument_channel(
            channel, tracer_provider=self._tracers, meter_provider=self._meters
        )

    def spans(self, name: str) -> dict[str, ReadableSpan]:
        """The finished spans of that name by the id of their message."""
        return {
            str(span.attributes["messaging.message.id"]): span
            for span in self._exporter.get_finished_spans()
            if span.name == name and span.attributes
        }

    def histogram(self, name: str) -> Any:
        """The one data point of a histogram."""
        data: Any = self._reader.get_metrics_data()
        found = [
            metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        (point,) = next(metric for metric in found if metric.name == name).data.data_points
        return point


def length(span: Any) -> int:
    """How long a span lasted, in ns."""
    return int(span.end_time - span.start_time)


def test_span_histogram_and_broker_agree(private_rabbitmq: Callable[[], RabbitMQ]) -> None:
    """Of messages that wait their turn, our wait and the broker's differ by less than 5 ms in the median."""
    broker, recorder = private_rabbitmq(), Recorder()
    stamp_messages(broker)
    ids = [str(number) for number in range(MESSAGES)]
    sent: dict[str, int] = {}
    with firehose(broker) as heard, pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=1)
        channel.queue_declare("waits")
        recorder.trace(channel)
        for message_id in ids:
            sent[message_id] = time.time_ns()
            channel.basic_publish("", "waits", b"body", pika.BasicProperties(message_id=message_id))

        def work(_channel: object, method: pika.spec.Basic.Deliver, *_message: object) -> None:
            time.sleep(0.02)  # which the messages behind this one wait
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume("waits", work)
        deadline = time.monotonic() + DEADLINE
        while len(recorder.spans("process waits")) < MESSAGES or len(heard.given) < MESSAGES:
            assert time.monotonic() < deadline
            connection.process_data_events(time_limit=0.05)
    waits = recorder.spans("wait waits")
    assert sorted(waits) == sorted(ids)
    assert {span.attributes["voxtrace.messaging.wait.source"] for span in waits.values()} == {"broker"}

    # Each waited for those before it, so the waits compared are long and far from equal.
    assert length(waits[ids[-1]]) > (MESSAGES - 1) * 20 * MILLISECOND
    assert statistics.median(abs(length(waits[each]) - heard.wait(each)) for each in ids) < CLOSE
    # With one message in hand at a time none lies in the client: the wait is all the broker's.
    for span in waits.values():
        parts = (span.attributes["voxtrace.messaging.wait." + part] for part in ("broker", "prefetch"))
        assert sum(parts) == pytest.approx(length(span) / SECOND, abs=1e-6)
    prefetched = (span.attributes["voxtrace.messaging.wait.prefetch"] for span in waits.values())
    assert statistics.median(prefetched) * SECOND < CLOSE
    # Where the broker tells no time the producer's is taken, which is the same but for the way to the broker.
    assert statistics.median(abs(waits[each].start_time - sent[each]) for each in ids) < CLOSE

    point = recorder.histogram("voxtrace.messaging.wait.duration")
    assert point.count == MESSAGES
    assert point.sum == pytest.approx(sum(map(length, waits.values())) / SECOND, abs=1e-6)


def stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"


def test_a_stopped_consumer_is_a_wait(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child], sink: Sink
) -> None:
    """What is sent to a consumer that stands still waits until it goes on, each message its own time."""
    name, recorder = queue("stopped"), Recorder()
    worker = run("stopped", rabbitmq.url, name, traced=True, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    sent: dict[str, int] = {}
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        recorder.trace(channel)
        channel.confirm_delivery()
        channel.basic_publish("", name, b"ready")
        assert worker.says()["body"] == "ready"
        os.kill(worker.pid, signal.SIGSTOP)
        deadline = time.monotonic() + DEADLINE
        while not stopped(worker.pid):
            assert time.monotonic() < deadline
        for message_id in ("first", "second", "third"):
            sent[message_id] = time.time_ns()
            channel.basic_publish("", name, b"late", pika.BasicProperties(message_id=message_id))
            time.sleep(0.5)  # the stop under test
        resumed = time.time_ns()
        os.kill(worker.pid, signal.SIGCONT)
        taken = {each: worker.says() for each in sent}
    worker.signal(signal.SIGTERM)
    worker.end()
    waits = {text(span, "messaging.message.id"): span for span in sink.spans if span.name == f"wait {name}"}
    found = {each: waits[each].end_time_unix_nano - waits[each].start_time_unix_nano for each in sent}
    for each, start in sent.items():
        # From its sending to the end of the stop, and no later than the callback saw it.
        stop, seen = resumed - start, taken[each]["at"] - start
        assert stop - 10 * CLOSE <= found[each] <= seen + MILLISECOND, (stop, found, seen)


def text(span: Any, name: str) -> str:
    """An attribute of a span as it was sent."""
    found: str = next((each.value.string_value for each in span.attributes if each.key == name), "")
    return found
