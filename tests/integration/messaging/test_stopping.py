"""What a worker that is told to stop has sent by the time it is gone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pika
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

    from integration.messaging.children import Child
    from integration.otel.conftest import Sink
    from voxtrace_services.native import RabbitMQ

NOT_BY_CHANCE = "60000"  # ms between exports: what arrives was sent at the end


def send(url: str, name: str) -> None:
    """Two messages that are soon done, and one that hangs, each in a trace of its own."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number, body in enumerate((b"one", b"two", b"hang"), start=1):
            headers = {"traceparent": f"00-{number:032x}-{number:016x}-01"}
            channel.basic_publish("", name, body, pika.BasicProperties(headers=headers))


@pytest.fixture(name="name")
def _stopped(rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child], sink: Sink) -> str:
    """A queue whose worker was stopped by SIGTERM with two messages done and one in hand."""
    name = queue("stopped")
    send(rabbitmq.url, name)
    worker = run(
        "stopped",
        rabbitmq.url,
        name,
        traced=True,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_BSP_SCHEDULE_DELAY=NOT_BY_CHANCE,
        OTEL_METRIC_EXPORT_INTERVAL=NOT_BY_CHANCE,
    )
    assert [worker.says()["body"] for _ in range(3)] == ["one", "two", "hang"]
    assert sink.spans == []
    worker.signal(signal.SIGTERM)
    assert worker.end() == -signal.SIGTERM, worker.errors
    return name


def points(sink: Sink, metric: str) -> list[HistogramDataPoint]:
    """The data points of a histogram."""
    return [
        point
        for request in sink._received["/v1/metrics"]
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for found in scope.metrics
        if found.name == metric
        for point in found.histogram.data_points
    ]


def test_sigterm_in_a_callback_loses_no_finished_span(name: str, sink: Sink) -> None:
    """Both messages that were done are there whole, and of the one in hand the step that was."""
    found = sorted((int(span.trace_id.hex(), 16), span.name) for span in sink.spans)
    assert found == [
        (1, f"process {name}"),
        (1, "step"),
        (2, f"process {name}"),
        (2, "step"),
        (3, "step"),
    ]


def test_an_exemplar_is_the_process_span(name: str, sink: Sink) -> None:
    """The exemplars of `messaging.process.duration` name the process spans: trace, span and duration."""
    processes: dict[tuple[Any, Any], float] = {
        (span.trace_id, span.span_id): (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
        for span in sink.spans
        if span.name == f"process {name}"
    }
    (point,) = points(sink, "messaging.process.duration")
    assert (point.count, point.sum) == (2, pytest.approx(sum(processes.values()), abs=1e-6))
    exemplars = {(each.trace_id, each.span_id): each.as_double for each in point.exemplars}
    assert exemplars
    assert exemplars.keys() <= processes.keys()
    for key, seconds in exemplars.items():
        assert seconds == pytest.approx(processes[key], abs=1e-6)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_plain_sdk_loses_what_was_finished(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child], sink: Sink, end: signal.Signals
) -> None:
    """The control: as upstream sets up, SIGTERM takes both finished messages along, and Ctrl-C neither."""
    name = queue("plainly")
    send(rabbitmq.url, name)
    worker = run(
        "plainly",
        "stopped",
        rabbitmq.url,
        name,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_TRACES_EXPORTER="otlp_proto_http",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_BSP_SCHEDULE_DELAY=NOT_BY_CHANCE,
    )
    assert [worker.says()["body"] for _ in range(3)] == ["one", "two", "hang"]
    worker.signal(end)
    worker.end()
    finished = {int(span.trace_id.hex(), 16) for span in sink.spans}
    assert finished == (set() if end is signal.SIGTERM else {1, 2, 3})
