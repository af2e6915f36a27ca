"""The thread-safe adapter of pika 1.5 on a real broker: what the suite of all adapters does not ask of it."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pika.adapters import thread_safe_connection
from pika.adapters.thread_safe_connection import Connection
from pika.channel import Channel
from pika.exceptions import StreamLostError

from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from voxtrace_services.native import RabbitMQ

PATIENCE = 10.0


class Spans:
    """The spans that are over."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def named(self, start: str) -> list[Any]:
        """Those whose names start so."""
        return [span for span in self.exporter.get_finished_spans() if span.name.startswith(start)]

    def one(self, start: str) -> Any:
        """The one whose name starts so, once it is there."""
        until(lambda: self.named(start))
        (span,) = self.named(start)
        return span


def until(condition: Callable[[], Any]) -> None:
    """Wait for something to come about."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Pika traced."""
    spans = Spans()
    PikaInstrumentor().instrument(tracer_provider=spans.provider)
    yield spans
    PikaInstrumentor().uninstrument()


@pytest.fixture
def connect(rabbitmq: RabbitMQ) -> Iterator[Callable[[], Connection]]:
    """Opens connections, which are closed afterwards."""
    connections: list[Connection] = []

    def connect() -> Connection:
        connections.append(Connection(pika.URLParameters(rabbitmq.url)))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def queue() -> str:
    """A queue's name."""
    return f"pika-next-{uuid.uuid4().hex[:8]}"


def opened(connection: Connection, queue: str) -> Any:
    """A channel with that queue."""
    channel = connection.channel()
    channel.queue_declare(queue, exclusive=True)
    return channel


def test_requests_do_not_share_the_trace_of_the_connecting(
    spans: Spans, connect: Callable[[], Connection], queue: str
) -> None:
    """With threads that inherit context, too, each publish and its processing are in the caller's trace."""
    ThreadingInstrumentor().instrument()
    bodies: list[tuple[bytes, Any]] = []
    try:
        token = context.attach(baggage.set_baggage("connecting", "1"))
        with spans.tracer.start_as_current_span("startup"):
            channel = opened(connect(), queue)
            channel.basic_consume(
                queue, lambda *message: bodies.append((message[3], dict(baggage.get_all()))), auto_ack=True
            )
        context.detach(token)
        for name in ("first", "second"):
            token = context.attach(baggage.set_baggage("who", name))
            with spans.tracer.start_as_current_span(name):
                channel.basic_publish("", queue, name.encode())
            context.detach(token)
        until(lambda: len(spans.named("process")) == 2 == len(spans.named("publish")))
    finally:
        ThreadingInstrumentor().uninstrument()
    assert bodies == [(b"first", {"who": "first"}), (b"second", {"who": "second"})]
    for name, publish, process in zip(
        ("first", "second"), spans.named("publish"), spans.named("process"), strict=True
    ):
        request = spans.one(name)
        assert publish.parent.span_id == request.context.span_id
        assert process.parent.span_id == publish.context.span_id
        assert [link.context.span_id for link in process.links] == [publish.context.span_id]
        assert {request.context.trace_id, publish.context.trace_id} == {process.context.trace_id}


def test_a_consumer_works_in_the_messages_context(
    spans: Spans, connect: Callable[[], Connection], queue: str
) -> None:
    """Spans of the callback, of what it hands on, and the refusal from there are in the message's trace."""
    connection = connect()
    channel = opened(connection, queue)
    workers: list[threading.Thread] = []

    def on_message(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        here = context.get_current()

        def work() -> None:
            context.attach(here)
            with spans.tracer.start_as_current_span("work"):
                channel.basic_reject(method.delivery_tag, requeue=False)

        workers.append(threading.Thread(target=work))
        workers[0].start()

    channel.basic_consume(queue, on_message)
    channel.basic_publish("", queue, b"body")
    process, work, reject = spans.one("process"), spans.one("work"), spans.one("reject")
    workers[0].join()
    assert (work.parent.span_id, reject.parent.span_id) == (process.context.span_id,) * 2
    assert process.attributes["voxtrace.messaging.settlement"] == "reject"
    assert process.attributes["error.type"] == "rejected"


def test_the_wait_in_the_channels_own_queue_is_told(
    spans: Spans, connect: Callable[[], Connection], queue: str
) -> None:
    """While one callback works, the message after it waits in this process; its wait says for how long."""
    channel = opened(connect(), queue)
    channel.basic_consume(queue, lambda *_: time.sleep(0.2), auto_ack=True)
    for _ in range(2):
        channel.basic_publish("", queue, b"body")
    until(lambda: len(spans.named("process")) == 2)
    prefetched = [span.attributes["voxtrace.messaging.wait.prefetch"] for span in spans.named("wait")]
    assert prefetched[0] < 0.1 < prefetched[1]


def test_every_publish_is_confirmed_by_its_number(
    spans: Spans, connect: Callable[[], Connection], queue: str
) -> None:
    """Of many messages from many threads each publish ends with its own confirm, the returned as errors."""
    channel = opened(connect(), queue)
    answers: list[Any] = []
    numbers: list[int] = []
    channel.confirm_delivery(answers.append)

    def publish(_worker: int) -> None:
        for index in range(50):
            to = queue if index % 2 else "nowhere"
            channel.basic_publish("", to, b"body", mandatory=True, on_publish=numbers.append)

    threads = [threading.Thread(target=publish, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: len(spans.named("publish")) == 200)
    assert numbers == list(range(1, 201))
    assert answers
    errors = {
        name: {span.attributes.get("error.type") for span in spans.named(f"publish {name}")}
        for name in (queue, "nowhere")
    }
    assert errors == {queue: {None}, "nowhere": {"amqp:no-route"}}


def test_a_message_for_a_lost_channel_is_an_error(
    spans: Spans, connect: Callable[[], Connection], queue: str
) -> None:
    """Pika only logs that a message was not sent, and the span of its publish says so."""
    connection = connect()
    channel = opened(connection, queue)
    channel.basic_publish("no such exchange", queue, b"body")
    until(lambda: channel.is_closed)
    channel.basic_publish("", queue, b"body")
    failed = spans.one(f"publish {queue}")
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.attributes["error.type"] in {"ChannelWrongStateError", "channel_closed"}


def test_a_get_is_in_the_callers_hands(spans: Spans, connect: Callable[[], Connection], queue: str) -> None:
    """A message that is asked for is one receive span; an empty queue gives none."""
    channel = opened(connect(), queue)
    assert channel.basic_get(queue) == (None, None, None)
    channel.basic_publish("", queue, b"body")
    until(lambda: channel.basic_get(queue, auto_ack=True)[2] == b"body")
    receive, publish = spans.one("receive"), spans.one("publish")
    assert receive.kind is trace.SpanKind.CLIENT
    assert receive.parent.span_id == publish.context.span_id


def test_callbacks_run_in_the_context_of_who_asked(spans: Spans, connect: Callable[[], Connection]) -> None:
    """`add_callback_threadsafe` carries the caller's context to the connection's thread, and back off it."""
    connection = connect()
    found: list[Any] = []
    token = context.attach(baggage.set_baggage("who", "caller"))
    connection.add_callback_threadsafe(lambda: found.append(baggage.get_baggage("who")))
    context.detach(token)
    connection.add_callback_threadsafe(lambda: found.append(baggage.get_baggage("who")))
    until(lambda: len(found) == 2)
    assert found == ["caller", None]


def test_a_publish_whose_loop_dies_before_it_ends_with_its_channel(
    spans: Spans, rabbitmq: RabbitMQ, queue: str
) -> None:
    """Handed over and never sent, the first message of a channel leaves no span open."""
    connection = Connection(pika.URLParameters(rabbitmq.url))
    channel = connection.channel()
    published = threading.Event()

    def crash() -> None:
        published.wait(PATIENCE)
        channel._channel._on_close_meta(StreamLostError("gone"))
        raise LookupError

    connection._connection.ioloop.add_callback_threadsafe(crash)
    channel.basic_publish("", queue, b"body")
    published.set()
    publish = spans.one("publish")
    with suppress(LookupError):
        connection.close()
    connection._connection.ioloop.close()
    assert publish.attributes["error.type"] == "StreamLostError"


def test_pikas_own_channel_is_touched_in_its_thread_alone(
    spans: Spans, connect: Callable[[], Connection], queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What we ask of the channel below is asked in the thread of the connection, as pika wants it."""
    threads: set[str] = set()
    original = Channel.add_on_close_callback

    def noting(*args: Any) -> Any:
        threads.add(threading.current_thread().name.rstrip("0123456789"))
        return original(*args)

    monkeypatch.setattr(Channel, "add_on_close_callback", noting)
    channel = opened(connect(), queue)
    channel.basic_publish("", queue, b"body", mandatory=True)
    until(lambda: channel.basic_get(queue)[0])
    channel.basic_consume(queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    channel.basic_publish("", queue, b"body")
    spans.one("process")
    assert threads == {"pika-ioloop-"}


def test_a_suppressed_publish_is_left_alone(
    spans: Spans, connect: Callable[[], Connection], queue: str
) -> None:
    """Suppression by the caller holds in the thread that sends."""
    channel = opened(connect(), queue)
    token = context.attach(context.set_value("suppress_instrumentation", True))
    channel.basic_publish("", queue, b"body", pika.BasicProperties(headers={"mine": 1}))
    context.detach(token)
    got: list[Any] = []
    until(lambda: got.append(channel.basic_get(queue, auto_ack=True)) or got[-1][0])
    assert (got[-1][1].headers, spans.named("publish")) == ({"mine": 1}, [])


def test_one_channel_alone_is_traced(connect: Callable[[], Connection], queue: str) -> None:
    """A channel of this adapter can be given to the instrumentor too, and is put back."""
    spans = Spans()
    channel = opened(connect(), queue)
    before = dict(vars(channel)), dict(vars(channel._channel))
    PikaInstrumentor.instrument_channel(channel, tracer_provider=spans.provider)
    with spans.tracer.start_as_current_span("request"):
        channel.basic_publish("", queue, b"body")
    until(lambda: channel.basic_get(queue, auto_ack=True)[0])
    request, publish = spans.one("request"), spans.one("publish")
    assert publish.parent.span_id == request.context.span_id
    PikaInstrumentor.uninstrument_channel(channel)
    after = vars(channel), vars(channel._channel)
    assert [now.keys() for now in after] == [then.keys() for then in before]


def test_uninstrumenting_puts_the_adapter_back() -> None:
    """After uninstrument() the adapter's classes hold the very methods that they had."""
    owners = thread_safe_connection.Channel, thread_safe_connection.Connection, Channel
    before = [dict(vars(owner)) for owner in owners]
    PikaInstrumentor().instrument()
    during = [dict(vars(owner)) for owner in owners]
    PikaInstrumentor().uninstrument()
    after = [dict(vars(owner)) for owner in owners]
    assert [
        {name for name in then if now[name] is not then[name]}
        for then, now in zip(before, during, strict=True)
    ] == [
        {"basic_publish", "basic_consume", "basic_get"},
        set(),
        {"basic_publish", "confirm_delivery", "basic_consume", "basic_get"}
        | {"basic_ack", "basic_nack", "basic_reject", "basic_recover"},
    ]
    assert all(now[name] is then[name] for then, now in zip(before, after, strict=True) for name in then)
