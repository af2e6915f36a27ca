"""Jobs that outlast heartbeats, in threads, in a stranger's program under opentelemetry-instrument."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pika

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from integration.messaging.children import Child
    from integration.otel.conftest import Sink
    from voxtrace_services.native import RabbitMQ

HEARTBEAT = 1  # seconds
SECOND = 1_000_000_000
PRODUCER_SPAN = f"{2:016x}"


def send(url: str, queue: str, *seconds: float) -> list[str]:
    """Order jobs of these lengths; the trace that each belongs to."""
    traces = [f"{number:032x}" for number in range(1, len(seconds) + 1)]
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for trace, length in zip(traces, seconds, strict=True):
            headers = {"traceparent": f"00-{trace}-{PRODUCER_SPAN}-01"}
            channel.basic_publish("", queue, str(length).encode(), pika.BasicProperties(headers=headers))
    return traces


def with_heartbeat(url: str) -> str:
    """The broker's address for a client that both sides give up for dead after two missed heartbeats."""
    return f"{url}?heartbeat={HEARTBEAT}"


def outcome(span: Span) -> tuple[str, str, str]:
    """Trace, and what became of the message."""
    found = {each.key: each.value.string_value for each in span.attributes}
    return span.trace_id.hex(), found["voxtrace.messaging.settlement"], found.get("error.type", "")


def test_a_job_of_ten_heartbeats_runs_once_in_one_trace(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child], sink: Sink
) -> None:
    """Worked on in a thread for ten heartbeats, a message comes once, and its process span lasts as long."""
    name = queue("long")
    (trace,) = send(rabbitmq.url, name, 10 * HEARTBEAT)
    worker = run(
        "long_job",
        with_heartbeat(rabbitmq.url),
        name,
        "thread",
        traced=True,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert [worker.says() for _ in range(3)] == ["consuming", "delivered", "acknowledged"]
    worker.signal(signal.SIGTERM)  # which delivers what is finished
    worker.end()
    (process,) = sink.spans
    assert (process.name, outcome(process)) == (f"process {name}", (trace, "ack", ""))
    assert process.parent_span_id.hex() == PRODUCER_SPAN
    assert process.end_time_unix_nano - process.start_time_unix_nano >= 10 * HEARTBEAT * SECOND
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        assert connection.channel().queue_declare(name, passive=True).method.message_count == 0


def test_a_blocked_connection_loses_the_job(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child]
) -> None:
    """The control: done in the callback, such a job outlives its connection and goes back to the queue."""
    name = queue("blocked")
    send(rabbitmq.url, name, 5 * HEARTBEAT)
    worker = run("long_job", with_heartbeat(rabbitmq.url), name, "callback")
    assert [worker.says() for _ in range(2)] == ["consuming", "delivered"]
    last = worker.says()
    if last == "acknowledged":  # so it seems to pika until it reads on
        last = worker.says()
    assert last in {"StreamLostError", "ConnectionClosedByBroker", "AMQPHeartbeatTimeout"}
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        method, _, _ = connection.channel().basic_get(name, auto_ack=True)
        assert method.redelivered


def test_an_ack_from_another_thread_lands_in_its_own_trace(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child], sink: Sink
) -> None:
    """Of jobs that overtake each other in threads, each one's span lasts as long as it and holds its ack."""
    name = queue("threads")
    lengths = (0.9, 0.6, 0.3)
    traces = send(rabbitmq.url, name, *lengths)
    worker = run(
        "long_job",
        rabbitmq.url,
        name,
        "thread",
        traced=True,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        VOXTRACE_MESSAGING_SETTLE_SPANS="all",
    )
    heard = [worker.says() for _ in range(7)]
    assert (heard.count("delivered"), heard.count("acknowledged")) == (3, 3)
    worker.signal(signal.SIGTERM)
    worker.end()
    processes = {span.trace_id.hex(): span for span in sink.spans if span.name == f"process {name}"}
    acks = {span.trace_id.hex(): span for span in sink.spans if span.name == f"ack {name}"}
    assert len(sink.spans) == 6
    assert sorted(processes) == sorted(acks) == traces
    for trace, length in zip(traces, lengths, strict=True):
        process, ack = processes[trace], acks[trace]
        assert outcome(process) == (trace, "ack", "")
        assert ack.parent_span_id == process.span_id
        assert process.end_time_unix_nano - process.start_time_unix_nano >= length * SECOND
