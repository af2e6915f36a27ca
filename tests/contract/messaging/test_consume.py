"""What a delivery leaves behind on a real broker, however it is taken."""

from __future__ import annotations

import decimal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.trace import SpanKind, StatusCode

from contract.messaging.adapters.registry import PULLING, adapters

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from contract.messaging.bench import Bench

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


def take_one(bench: Bench, queue: str) -> ReadableSpan:
    """Take the one message of a queue, acknowledge it, and give the span of taking it."""
    end, tags = bench.open(), []

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        tags.append(method.delivery_tag)
        channel.basic_ack(method.delivery_tag)

    end.consume(queue, work)
    bench.until(end, lambda: tags, "the message was not delivered")
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    (span,) = bench.taken(queue)
    return span


@adapters()
def test_a_message_is_one_trace(bench: Bench) -> None:
    """Taking a message hangs below its publish, and links it."""
    queue = bench.queue()
    bench.open().publish(queue, properties=pika.BasicProperties(correlation_id="upload-1"))
    taken = take_one(bench, queue)
    links = [link.context.span_id for link in taken.links]
    assert links, "no link to the creation context"
    (published,) = bench.produced(queue)
    assert links == [published.context.span_id]
    assert taken.parent.span_id == published.context.span_id
    assert taken.context.trace_id == published.context.trace_id
    assert taken.attributes["messaging.message.conversation_id"] == "upload-1"


@adapters()
def test_taking_a_message_has_the_conventions_name_and_kind(bench: Bench) -> None:
    """A callback processes (CONSUMER), a call that gets a message receives (CLIENT)."""
    queue = bench.queue()
    bench.open().publish(queue)
    span = take_one(bench, queue)
    operation = bench.adapter.taking
    kind = {"process": SpanKind.CONSUMER, "receive": SpanKind.CLIENT}[operation]
    assert (span.name, span.kind) == (f"{operation} {queue}", kind), "name and kind are not semconv 1.44's"
    expected = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "messaging.rabbitmq.destination.routing_key": queue,
        "messaging.rabbitmq.message.delivery_tag": 1,
        **bench.server,
    }
    assert expected.items() <= dict(span.attributes).items()
    assert span.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"


@adapters()
def test_the_old_names_can_be_had_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """messaging/dup adds the old names to both spans, and takes none of the new away."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,messaging/dup")
    bench.instrument()
    queue = bench.queue()
    bench.open().publish(queue, properties=pika.BasicProperties(correlation_id="upload-1"))
    taken = take_one(bench, queue)
    old = {"messaging.destination": queue, "messaging.conversation_id": "upload-1"}
    for span in (taken, *bench.produced(queue)):
        attributes = dict(span.attributes)
        assert attributes.get("messaging.destination.name") == queue, "the new names are missing"
        assert old.items() <= attributes.items(), "the old names are missing"
        assert "net.peer.name" in attributes


@adapters()
def test_a_sampler_sees_what_is_taken(bench: Bench) -> None:
    """System, operation, destination and broker are known when the span is about to start."""
    queue = bench.queue()
    bench.open().publish(queue)
    told = bench.sampler.told[take_one(bench, queue).name]
    assert told, "the sampler was told nothing"
    assert {
        "messaging.system",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.destination.name",
        "server.address",
        "server.port",
    } <= told.keys()


@adapters()
def test_the_wait_is_a_span_and_a_measurement(bench: Bench) -> None:
    """The time between publish and taking is a span of the same trace, and the same number in a histogram."""
    queue, end = bench.queue(), bench.open()
    end.publish(queue)
    time.sleep(0.2)  # the wait under test
    taken = take_one(bench, queue)
    assert bench.waited(queue), "no span for the wait in the queue"
    (published,), (wait,) = bench.produced(queue), bench.waited(queue)
    assert (wait.name, wait.parent.span_id) == (f"wait {queue}", published.context.span_id)
    # Headers hold whole milliseconds.
    assert -MILLISECOND < wait.start_time - published.start_time < 50 * MILLISECOND
    assert abs(wait.end_time - taken.start_time) < 50 * MILLISECOND
    assert wait.end_time - wait.start_time >= 0.19 * SECOND
    (point,) = bench.points("voxtrace.messaging.wait.duration")
    assert point.count == 1
    assert abs(point.sum * SECOND - (wait.end_time - wait.start_time)) < MILLISECOND


@adapters()
def test_what_is_measured_leads_to_its_span(bench: Bench) -> None:
    """The exemplars of the histograms carry the trace and span id of the spans they measured."""
    queue = bench.queue()
    bench.open().publish(queue)
    taken = take_one(bench, queue)
    metric = {"process": "messaging.process.duration", "receive": "messaging.client.operation.duration"}
    operation = bench.adapter.taking
    points = [
        point
        for point in bench.points(metric[operation])
        if point.attributes["messaging.operation.name"] == operation
    ]
    assert points, "nothing was measured"
    exemplars = {(exemplar.trace_id, exemplar.span_id) for exemplar in points[0].exemplars}
    assert exemplars == {(taken.context.trace_id, taken.context.span_id)}
    (consumed,) = bench.points("messaging.client.consumed.messages")
    assert consumed.value == 1


@adapters()
@pytest.mark.parametrize("header", ["traceparent", "tracestate", "baggage", "timestamp_in_ms", "x-death"])
def test_hostile_headers_cost_no_message(bench: Bench, header: str) -> None:
    """Headers of any AMQP type and size reach the callback and leave the consumer alive."""
    queue, sender, end = bench.queue(), bench.channel(), bench.open()
    with bench.suppressed():
        for value in HOSTILE:
            sender.basic_publish("", queue, b"body", pika.BasicProperties(headers={header: value}))
        sender.basic_publish("", queue, b"last")
    bodies: list[bytes] = []

    def work(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        bodies.append(body)
        channel.basic_ack(method.delivery_tag)

    end.consume(queue, work)
    bench.until(end, lambda: b"last" in bodies, "the consumer died")
    assert bodies == [b"body"] * len(HOSTILE) + [b"last"]
    bench.see(end, lambda: len(bench.taken(queue)) == len(bodies), "spans are missing")
    assert {span.parent for span in bench.taken(queue)} == {None}


@adapters()
def test_a_hostile_tracestate_costs_no_message(bench: Bench) -> None:
    """Beside a good traceparent too, a tracestate of any type is dropped, and the trace goes on."""
    queue, sender, end = bench.queue(), bench.channel(), bench.open()
    with bench.suppressed():
        for value in HOSTILE:
            headers = {"traceparent": f"00-{9:032x}-{8:016x}-01", "tracestate": value}
            sender.basic_publish("", queue, b"body", pika.BasicProperties(headers=headers))
    tags: list[int] = []
    end.consume(queue, lambda _channel, method, *_: tags.append(method.delivery_tag), auto_ack=True)
    bench.until(end, lambda: len(tags) == len(HOSTILE), "the consumer died")
    bench.see(end, lambda: len(bench.taken(queue)) == len(tags), "spans are missing")
    assert {span.parent.span_id for span in bench.taken(queue)} == {8}


@adapters("asyncio", "thread_safe")
def test_where_a_connection_was_made_is_of_no_account(bench: Bench) -> None:
    """A loop or thread that keeps the context it was started in puts no message into that trace."""
    queue = bench.queue()
    with bench.suppressed():
        bench.open().publish(queue)
    with bench.tracer.start_as_current_span("request"):
        taken = take_one(bench, queue)
    assert (taken.parent, taken.links) == (None, ())


@adapters(without=("get",))
def test_the_span_covers_the_work(bench: Bench) -> None:
    """The span is open while the message is processed: what the work notes is on it, and so is its time."""
    queue, sender, end = bench.queue(), bench.open(), bench.open()
    sender.publish(queue)

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        trace.get_current_span().set_attribute("noted", True)
        time.sleep(0.05)  # the work under test
        channel.basic_ack(method.delivery_tag)

    end.consume(queue, work)
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    (taken,) = bench.taken(queue)
    assert taken.attributes.get("noted"), "the span was over before the work"
    assert taken.end_time - taken.start_time >= 0.05 * SECOND


@adapters(without=PULLING)  # the body of a loop raises past the generator, which never hears of it
def test_an_exception_is_an_error_of_its_type(bench: Bench) -> None:
    """Work that raises runs once, and its span says what it raised, but not the message."""
    queue, sender, end = bench.queue(), bench.open(), bench.open()
    sender.publish(queue)
    runs: list[int] = []
    message = "sec" + "ret"  # not as one word in this source, which the stack trace quotes

    def fail(*_args: Any) -> None:
        runs.append(1)
        raise ValueError(message)

    end.consume(queue, fail)
    with suppress(ValueError):  # comes out of the loop, or ends in pika's log
        bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    (taken,) = bench.taken(queue)
    assert runs == [1]
    assert taken.status.status_code is StatusCode.ERROR
    assert taken.attributes.get("error.type") == "ValueError", "no error.type"
    assert [event.name for event in taken.events] == ["exception"]
    assert "secret" not in taken.to_json()


@adapters(without=("get",))
def test_a_process_hook_sees_method_properties_and_body(bench: Bench) -> None:
    """A hook is called once per message, with the span and everything about the message."""
    calls: list[tuple[Any, ...]] = []

    def hook(*arguments: Any) -> None:
        calls.append(arguments)

    # Ours and upstream's are called differently; either may be given both.
    bench.instrument(process_hook=hook)
    queue = bench.queue()
    bench.open().publish(queue, properties=pika.BasicProperties(message_id="m1"))
    take_one(bench, queue)
    ((_span, method, properties, body),) = calls
    assert (method.routing_key, properties.message_id, body) == (queue, "m1", b"body")


@adapters()
def test_an_untrusted_sender_is_linked_alone(bench: Bench) -> None:
    """A message of an untrusted queue starts a trace of its own and brings no baggage."""
    queue = bench.queue()
    bench.instrument(untrusted_queues=[f"{queue[:-1]}*"])
    token = context.attach(baggage.set_baggage("job", "7"))
    bench.open().publish(queue)
    context.detach(token)
    taken = take_one(bench, queue)
    (published,) = bench.produced(queue)
    assert taken.parent is None
    assert taken.context.trace_id != published.context.trace_id
    assert [link.context.span_id for link in taken.links] == [published.context.span_id]


@adapters()
def test_a_link_can_be_all_there_is(bench: Bench) -> None:
    """Asked for links alone, each message taken starts a trace that links to its publish."""
    bench.instrument(correlation="link")
    queue = bench.queue()
    bench.open().publish(queue)
    taken = take_one(bench, queue)
    (published,) = bench.produced(queue)
    assert taken.parent is None
    assert taken.context.trace_id != published.context.trace_id
    assert [link.context.span_id for link in taken.links] == [published.context.span_id]


@adapters()
def test_an_excluded_queue_is_untraced(bench: Bench) -> None:
    """Neither the publish to it nor the message taken from it is a span."""
    queue, other = bench.queue(), bench.queue()
    bench.instrument(excluded_queues=[queue])
    end, runs = bench.open(), []
    end.publish(queue)
    end.consume(queue, lambda *_: runs.append(1), auto_ack=True)
    bench.until(end, lambda: runs, "the message was not delivered")
    end.publish(other)
    bench.see(end, lambda: bench.produced(other), "no PRODUCER span")
    assert bench.taken(queue) == []


@adapters(without=PULLING)
def test_several_consumers_share_a_channel(bench: Bench) -> None:
    """Deliveries of two queues on one channel stay apart in name, parent and settlement."""
    first, second = bench.queue(), bench.queue()
    sender, end = bench.open(), bench.open()
    for queue in (first, second, first):
        sender.publish(queue)
    for queue in (first, second):
        end.consume(queue, acknowledge)
    bench.see(
        end, lambda: len(bench.taken(first)) == 2 and len(bench.taken(second)) == 1, "spans are missing"
    )
    for queue in (first, second):
        published = {span.context.span_id for span in bench.produced(queue)}
        parents = {span.parent.span_id for span in bench.taken(queue)}
        assert parents == published, "a PRODUCER span has no message of its own"


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


@adapters()
def test_nothing_is_left_open(bench: Bench) -> None:
    """Every span that was started has ended once the message is settled, and none comes twice."""
    queue = bench.queue()
    bench.open().publish(queue)
    take_one(bench, queue)
    assert bench.names() == sorted(
        [f"publish {queue}", f"wait {queue}", f"{bench.adapter.taking} {queue}"]
    ), "not one span of each"
    assert bench.open_spans.names == []
