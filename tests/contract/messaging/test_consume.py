"""What a delivery leaves behind on a real broker."""

from __future__ import annotations

import decimal
import time
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode
from pika.adapters.select_connection import SelectConnection

if TYPE_CHECKING:
    from contract.messaging.conftest import Bench

SECOND = 1_000_000_000
MILLISECOND = 1_000_000

HOSTILE = [
    7,
    -(2**62),
    True,
    None,
    b"\xff\xfe",
    b"",
    "",
    "\x00\r\n",
    "x" * 100_000,
    [1, "a", [None]],
    {"a": {"b": 1}},
    decimal.Decimal("1.5"),
    f"00-{0:032x}-{0:016x}-01",
]


def acknowledge(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
    """The shortest consumer."""
    channel.basic_ack(method.delivery_tag)


def test_a_message_is_one_trace(bench: Bench) -> None:
    """Wait and process hang below the publish, process links it, and the wait is the time between both."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body", pika.BasicProperties(correlation_id="upload-1"))
    time.sleep(0.2)  # the wait under test
    consumer = bench.channel()
    consumer.basic_consume(queue, acknowledge)
    bench.run(consumer, lambda: bench.spans(f"process {queue}"))
    publish, wait, process = (bench.span(f"{step} {queue}") for step in ("publish", "wait", "process"))
    assert (publish.kind, wait.kind, process.kind) == (
        SpanKind.PRODUCER,
        SpanKind.INTERNAL,
        SpanKind.CONSUMER,
    )
    assert [span.parent.span_id for span in (wait, process)] == [publish.context.span_id] * 2
    assert [link.context.span_id for link in process.links] == [publish.context.span_id]
    assert process.context.trace_id == wait.context.trace_id == publish.context.trace_id
    assert wait.end_time == process.start_time
    # Headers hold whole milliseconds.
    assert -MILLISECOND < wait.start_time - publish.start_time < 50 * MILLISECOND
    assert wait.end_time - wait.start_time >= 0.19 * SECOND
    assert process.attributes["messaging.message.conversation_id"] == "upload-1"
    assert process.attributes["voxtrace.messaging.settlement"] == "ack"


@pytest.mark.parametrize("header", ["traceparent", "tracestate", "baggage", "timestamp_in_ms", "x-attempt"])
def test_hostile_headers_cost_no_message(bench: Bench, header: str) -> None:
    """Headers of any AMQP type and size reach the callback and leave the consumer alive."""
    queue, sender, consumer = bench.queue(), bench.channel(), bench.channel()
    with bench.suppressed():
        for value in HOSTILE:
            sender.basic_publish("", queue, b"body", pika.BasicProperties(headers={header: value}))
        sender.basic_publish("", queue, b"last")
    bodies: list[bytes] = []

    def work(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        bodies.append(body)
        channel.basic_ack(method.delivery_tag)

    consumer.basic_consume(queue, work)
    bench.run(consumer, lambda: b"last" in bodies)
    assert bodies == [b"body"] * len(HOSTILE) + [b"last"]
    processed = bench.spans(f"process {queue}")
    assert len(processed) == len(bodies)
    assert {span.parent for span in processed} == {None}


def test_an_exception_comes_out_of_pika_as_it_went_in(bench: Bench) -> None:
    """start_consuming raises the callback's own exception, after one run."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    error, runs = ValueError("mine"), []

    def fail(*_args: Any) -> None:
        runs.append(1)
        raise error

    channel.basic_publish("", queue, b"body")
    channel.basic_consume(queue, fail)
    with pytest.raises(ValueError, match="mine") as raised:
        channel.start_consuming()
    assert raised.value is error
    assert runs == [1]
    span = bench.span(f"process {queue}")
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "ValueError")
    assert [event.name for event in span.events] == ["exception"]


def test_several_consumers_share_a_channel(bench: Bench) -> None:
    """Deliveries of two queues on one channel stay apart in name, parent and settlement."""
    first, second = bench.queue(), bench.queue()
    channel = bench.channel(confirm=True)
    for queue in (first, second, first):
        channel.basic_publish("", queue, b"body")
    for queue in (first, second):
        channel.basic_consume(queue, acknowledge)
    bench.run(channel, lambda: sum(name.startswith("process") for name in bench.names()) == 3)
    for queue in (first, second):
        published = {span.context.span_id for span in bench.spans(f"publish {queue}")}
        assert {span.parent.span_id for span in bench.spans(f"process {queue}")} == published
    assert all(span.end_time for span in bench.exporter.get_finished_spans())


def test_a_suppressed_consumer_is_untraced(bench: Bench) -> None:
    """Under suppression the callback runs once and no span is made, though the message carries context."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")
    runs: list[int] = []
    channel.basic_consume(queue, lambda *_: runs.append(1), auto_ack=True)
    with bench.suppressed():
        bench.run(channel, lambda: runs)
    assert runs == [1]
    assert bench.names() == [f"publish {queue}"]


def test_context_ends_with_the_callback(bench: Bench) -> None:
    """What the callback publishes belongs to its span; what the loop does next does not."""
    queue, target = bench.queue(), bench.queue()
    channel = bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        channel.basic_publish("", target, b"next")
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(queue, work)
    bench.run(channel, lambda: bench.spans(f"process {queue}"))
    process = bench.span(f"process {queue}")
    assert bench.span(f"publish {target}").parent.span_id == process.context.span_id
    assert not trace.get_current_span().get_span_context().is_valid
    assert context.get_current() == {}


def test_a_callback_style_connection_is_traced(bench: Bench) -> None:
    """On a SelectConnection there is one span per publish and one per message, as on a BlockingConnection."""
    queue = bench.queue()

    def on_message(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        channel.basic_ack(method.delivery_tag)
        channel.connection.close()

    def on_channel(channel: Any) -> None:
        channel.basic_consume(queue, on_message)
        channel.basic_publish("", queue, b"body")

    connection = SelectConnection(
        pika.URLParameters(bench.url),
        on_open_callback=lambda connection: connection.channel(on_open_callback=on_channel),
        on_close_callback=lambda connection, _reason: connection.ioloop.stop(),
    )
    connection.ioloop.call_later(10, connection.ioloop.stop)
    connection.ioloop.start()
    connection.ioloop.close()
    publish, process = bench.span(f"publish {queue}"), bench.span(f"process {queue}")
    assert process.parent.span_id == publish.context.span_id
    assert process.attributes["voxtrace.messaging.settlement"] == "ack"
