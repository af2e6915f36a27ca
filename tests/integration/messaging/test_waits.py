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
    from collections.abc import Callable, Iterable

    from pika.adapters.blocking_connection import BlockingChannel

    from integration.messaging.children import Child
    from integration.otel.conftest import Sink
    from voxtrace_services.native import RabbitMQ

DEADLINE = 30.0
MESSAGES = 51
IDS = [str(number) for number in range(MESSAGES)]
TRIES = 3
WORK = 0.02
"""Seconds that a message is worked on, which those behind it wait."""
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


def nine_of_ten(differences: Iterable[float]) -> float:
    """The size that nine of ten differences do not exceed: a machine is seldom ours alone."""
    return statistics.quantiles(map(abs, differences), n=10, method="inclusive")[-1]


def length(span: Any) -> int:
    """How long a span lasted, in ns."""
    return int(span.end_time - span.start_time)


class Waited:
    """
    Messages that waited their turn on one queue, as we tell it and as the broker does.

    Attributes:
        waits: the wait spans by the id of their message.
        apart: what they differ from the broker's waits (ns).
        late: how much after its sending each of them starts (ns).
        prefetched: what each of them says of its time in the client (ns).
    """

    def __init__(self, broker: RabbitMQ, queue: str) -> None:
        recorder, sent = Recorder(), dict[str, int]()
        with firehose(broker) as heard, pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_qos(prefetch_count=1)
            channel.queue_declare(queue)
            recorder.trace(channel)
            for message_id in IDS:
                sent[message_id] = time.time_ns()
                channel.basic_publish("", queue, b"body", pika.BasicProperties(message_id=message_id))

            def work(_channel: object, method: pika.spec.Basic.Deliver, *_message: object) -> None:
                time.sleep(WORK)
                channel.basic_ack(method.delivery_tag)

            channel.basic_consume(queue, work)
            deadline = time.monotonic() + DEADLINE
            while len(recorder.spans(f"process {queue}")) < MESSAGES or len(heard.given) < MESSAGES:
                assert time.monotonic() < deadline
                connection.process_data_events(time_limit=0.05)
        self.waits = recorder.spans(f"wait {queue}")
        assert sorted(self.waits) == sorted(IDS)
        self.point = recorder.histogram("voxtrace.messaging.wait.duration")
        self.apart = [length(self.waits[each]) - heard.wait(each) for each in IDS]
        self.late = [self.waits[each].start_time - sent[each] for each in IDS]
        self.prefetched = [self.part(span, "prefetch") * SECOND for span in self.waits.values()]

    @property
    def agree(self) -> bool:
        """Whether nine of ten are close, in every way."""
        return all(nine_of_ten(each) < CLOSE for each in (self.apart, self.late, self.prefetched))

    @staticmethod
    def part(span: Any, name: str) -> float:
        """One part of a wait, in seconds."""
        return float(span.attributes[f"voxtrace.messaging.wait.{name}"])


def test_span_histogram_and_broker_agree(private_rabbitmq: Callable[[], RabbitMQ]) -> None:
    """Of messages that wait their turn, our wait and the broker's differ by less than 5 ms in nine of ten."""
    broker = private_rabbitmq()
    stamp_messages(broker)
    # The broker's times are those of hearing them, late where others keep the machine: so it has three tries.
    for number in range(TRIES):
        found = Waited(broker, f"waits-{number}")
        if found.agree:
            break
    # Where the broker tells no time the producer's is taken, which is the same but for the way to the broker.
    # With one message in hand at a time none lies in the client: the wait is all the broker's.
    assert found.agree, (found.apart, found.late, found.prefetched)
    for span in found.waits.values():
        parts = found.part(span, "broker") + found.part(span, "prefetch")
        assert parts == pytest.approx(length(span) / SECOND, abs=1e-6)
    assert {span.attributes["voxtrace.messaging.wait.source"] for span in found.waits.values()} == {"broker"}
    # Each waited for those before it, so the waits compared are long and far from equal.
    assert length(found.waits[IDS[-1]]) > (MESSAGES - 1) * WORK * SECOND
    assert found.point.count == MESSAGES
    assert found.point.sum == pytest.approx(sum(map(length, found.waits.values())) / SECOND, abs=1e-6)


def stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"


def test_a_stopped_consumer_is_a_wait(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child], sink: Sink
) -> None:
    """What is sent to a consumer that stands still waits until it goes on, each message its own time."""
    name, recorder = queue("stopped"), Recorder()
    worker = run("stopped", rabbitmq.url, name, traced=True, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    ids = ("first", "second", "third")
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        recorder.trace(channel)
        channel.confirm_delivery()
        channel.basic_publish("", name, b"ready", pika.BasicProperties(message_id="ready"))
        assert worker.says()["body"] == "ready"
        os.kill(worker.pid, signal.SIGSTOP)
        deadline = time.monotonic() + DEADLINE
        while not stopped(worker.pid):
            assert time.monotonic() < deadline
        for message_id in ids:
            channel.basic_publish("", name, b"late", pika.BasicProperties(message_id=message_id))
            time.sleep(0.5)  # the stop under test
        resumed = time.time_ns()
        os.kill(worker.pid, signal.SIGCONT)
        taken = {each: worker.says() for each in ids}
    worker.signal(signal.SIGTERM)
    worker.end()
    waits = {text(span, "messaging.message.id"): span for span in sink.spans if span.name == f"wait {name}"}
    published = recorder.spans(f"publish {name}")
    for each in ids:
        wait, sent = waits[each], published[each].start_time
        # It starts within its publish, and in whole milliseconds, as the header says it.
        assert sent - MILLISECOND < wait.start_time_unix_nano <= published[each].end_time
        # From its sending to the end of the stop, never less, and no later than the callback saw it.
        assert resumed <= wait.end_time_unix_nano <= taken[each]["at"]


def text(span: Any, name: str) -> str:
    """An attribute of a span as it was sent."""
    found: str = next((each.value.string_value for each in span.attributes if each.key == name), "")
    return found
