"""How a message's end shows, on a real broker."""

from __future__ import annotations

import contextvars
import functools
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.trace import SpanKind, StatusCode
from pika.exceptions import AMQPError, ChannelClosedByBroker

from contract.messaging.adapters.registry import PULLING, adapters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from contract.messaging.bench import Bench

SECOND = 1_000_000_000


def outcome(span: ReadableSpan) -> tuple[object, str, object]:
    """Settlement, status and error type."""
    return (
        span.attributes.get("voxtrace.messaging.settlement"),
        span.status.status_code.name,
        span.attributes.get("error.type"),
    )


def telling(bench: Bench, taken: ReadableSpan) -> ReadableSpan:
    """The span that tells what became of a message: its processing, or the settlement of one that was got."""
    return taken if bench.adapter.taking == "process" else bench.settled()[0]


def taker(action: Callable[[Any, int], object]) -> Callable[..., None]:
    """A consumer that settles at once, in its own way."""

    def on_message(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        action(channel, method.delivery_tag)

    return on_message


@adapters()
@pytest.mark.parametrize(
    ("operation", "refuse", "requeued"),
    [
        ("nack", lambda channel, tag: channel.basic_nack(tag), ("requeue", "UNSET", None)),
        ("reject", lambda channel, tag: channel.basic_reject(tag), ("requeue", "ERROR", "rejected")),
    ],
    ids=["nack", "reject"],
)
def test_a_returned_message_comes_again(
    bench: Bench, operation: str, refuse: Callable[[Any, int], None], requeued: tuple[object, str, object]
) -> None:
    """Each delivery of a message has a span; the second knows that it is one, and links to the first."""
    queue, sender, end = bench.queue(**{"x-queue-type": "quorum"}), bench.open(), bench.open()
    sender.publish(queue)

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        if method.redelivered:
            channel.basic_ack(method.delivery_tag)
        else:
            refuse(channel, method.delivery_tag)

    end.consume(queue, work)
    bench.see(end, lambda: len(bench.taken(queue)) == 2, "not one span for each delivery")
    bench.see(end, lambda: bench.settled(queue), "no settle span")
    taken = first, second = bench.taken(queue)
    assert outcome(telling(bench, first)) == requeued
    assert second.status.status_code is StatusCode.UNSET
    assert [span.attributes["voxtrace.messaging.redelivered"] for span in taken] == [False, True]
    assert [span.attributes["voxtrace.messaging.delivery.attempt"] for span in taken] == [1, 2]
    assert first.context.trace_id == second.context.trace_id
    reasons = {link.context.span_id: link.attributes.get("voxtrace.link.reason") for link in second.links}
    assert reasons == {first.parent.span_id: None, first.context.span_id: "previous_attempt"}
    (settled,) = bench.settled(queue)
    assert settled.name == f"{operation} {queue}"


@adapters()
@pytest.mark.parametrize(
    ("operation", "refuse"),
    [
        ("nack", lambda channel, tag: channel.basic_nack(tag, requeue=False)),
        ("reject", lambda channel, tag: channel.basic_reject(tag, requeue=False)),
    ],
    ids=["nack", "reject"],
)
def test_a_refused_message_is_an_error(
    bench: Bench, operation: str, refuse: Callable[[Any, int], None]
) -> None:
    """Refusing for good is a failure without any exception, and a CLIENT span below the processing."""
    queue, sender, end = bench.queue(), bench.open(), bench.open()
    sender.publish(queue)
    end.consume(queue, taker(refuse))
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    (taken,) = bench.taken(queue)
    told = telling(bench, taken)
    assert told.status.status_code is StatusCode.ERROR, "a refused message looks like a success"
    assert outcome(told) == (operation, "ERROR", "rejected")
    bench.see(end, lambda: bench.settled(queue), "no settle span")
    (settled,), (published,) = bench.settled(queue), bench.produced(queue)
    assert (settled.name, settled.kind) == (f"{operation} {queue}", SpanKind.CLIENT)
    assert settled.parent.span_id == taken.context.span_id
    assert [link.context.span_id for link in settled.links] == [published.context.span_id]
    assert settled.attributes["messaging.operation.name"] == operation


@adapters()
def test_an_ack_is_a_span_if_asked_for(bench: Bench) -> None:
    """By default only failures are; asked for, every settlement is a CLIENT span below the message's."""
    first, second = bench.queue(), bench.queue()
    for queue, options in ((first, {}), (second, {"settle_spans": "all"})):
        bench.instrument(**options)
        bench.open().publish(queue)
        end = bench.open()
        end.consume(queue, taker(lambda channel, tag: channel.basic_ack(tag)))
        bench.see(end, lambda queue=queue: bench.taken(queue), "no span for the message taken")
    bench.see(end, lambda: bench.settled(second), "no settle span")
    assert [span.name for span in bench.settled()] == [f"ack {second}"]


@adapters()
def test_an_ack_from_another_thread_is_in_the_messages_trace(bench: Bench) -> None:
    """Work given to a thread that knows of no trace: its ack ends the message's span, and is below it."""
    bench.instrument(settle_spans="all")
    queue, sender, end = bench.queue(), bench.open(), bench.open()
    sender.publish(queue)
    threads: list[threading.Thread] = []

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        def elsewhere() -> None:
            time.sleep(0.1)  # the work under test
            end.later(functools.partial(channel.basic_ack, method.delivery_tag))

        threads.append(threading.Thread(target=elsewhere))
        threads[-1].start()

    end.consume(queue, work)
    bench.until(end, lambda: threads, "the message was not delivered")
    threads[0].join()
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    (taken,) = bench.taken(queue)
    if bench.adapter.taking == "process":
        assert taken.end_time - taken.start_time >= 0.1 * SECOND, "the span was over before the work"
        assert outcome(taken) == ("ack", "UNSET", None)
    bench.see(end, lambda: bench.settled(queue), "no settle span")
    (settled,) = bench.settled(queue)
    assert (settled.name, settled.parent.span_id) == (f"ack {queue}", taken.context.span_id)
    assert settled.context.trace_id == bench.produced(queue)[0].context.trace_id


@adapters(without=PULLING)
def test_a_multiple_ack_ends_every_span(bench: Bench) -> None:
    """Messages that are acknowledged at once end at once."""
    queue, sender, end = bench.queue(), bench.open(), bench.open()
    for _ in range(3):
        sender.publish(queue)
    tags: list[int] = []
    end.consume(queue, lambda _channel, method, *_: tags.append(method.delivery_tag))
    bench.until(end, lambda: len(tags) == 3, "the messages were not delivered")
    assert bench.taken(queue) == []
    end.channel.basic_ack(tags[-1], multiple=True)
    bench.see(end, lambda: len(bench.taken(queue)) == 3, "not every span ended")
    assert [outcome(span) for span in bench.taken(queue)] == [("ack", "UNSET", None)] * 3


@adapters(without=PULLING)
def test_closing_before_the_ack_ends_the_span(bench: Bench) -> None:
    """A channel closed over an unsettled message leaves no span open, and no success."""
    queue, sender, end = bench.queue(), bench.open(), bench.open()
    sender.publish(queue)
    runs: list[int] = []
    end.consume(queue, lambda *_: runs.append(1))
    bench.until(end, lambda: runs, "the message was not delivered")
    end.channel.close()
    bench.see(end, lambda: bench.taken(queue), "the span never ended")
    assert outcome(bench.taken(queue)[0]) == ("channel_closed", "ERROR", "ChannelClosedByClient")


def test_a_channel_the_broker_closes_ends_the_span(bench: Bench) -> None:
    """An ack of an unknown tag costs the channel, and with it the message in hand."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")
    channel.basic_consume(queue, lambda channel, *_: channel.basic_ack(99))
    with suppress(ChannelClosedByBroker):  # pika 1.5 raises it here, pika 1.4 does not
        bench.run(channel, lambda: bench.spans(f"process {queue}"))
    assert outcome(bench.span(f"process {queue}")) == ("channel_closed", "ERROR", "ChannelClosedByBroker")


def test_an_ack_on_a_broken_connection_is_no_success(bench: Bench) -> None:
    """The broker gives the message to the next consumer, whose attempt is linked to the one cut off."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        channel.connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(queue, work)
    with pytest.raises(AMQPError):
        bench.run(channel, lambda: False)
    assert outcome(bench.span(f"process {queue}")) == ("channel_closed", "ERROR", "StreamLostError")
    other = bench.channel()
    other.basic_consume(queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    bench.run(other, lambda: len(bench.spans(f"process {queue}")) == 2)
    first, second = bench.spans(f"process {queue}")
    assert first.context.span_id in [link.context.span_id for link in second.links]


@pytest.fixture
def copying() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Threads that are started with a copy of the context, as asyncio.to_thread starts them."""
    threads: list[threading.Thread] = []

    def start(work: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=contextvars.copy_context().run, args=(work,)))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(20)


@pytest.fixture
def pooled() -> Iterator[Callable[[Callable[[], None]], None]]:
    """A pool under opentelemetry-instrumentation-threading, as the distro sets it up."""
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    with ThreadPoolExecutor() as pool:
        yield pool.submit
    instrumentor.uninstrument()


@pytest.mark.parametrize("threads", ["copying", "pooled"])
def test_work_in_a_thread_is_one_trace(bench: Bench, request: pytest.FixtureRequest, threads: str) -> None:
    """A worker thread's spans, its publish and its ack through the connection belong to the process span."""
    start = request.getfixturevalue(threads)
    queue, target = bench.queue(), bench.queue()
    channel = bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")

    def work(channel: Any, tag: int) -> None:
        with bench.tracer.start_as_current_span("engine"):
            time.sleep(0.2)  # the work under test
        later = channel.connection.add_callback_threadsafe
        later(functools.partial(channel.basic_publish, "", target, b"next"))
        later(functools.partial(channel.basic_ack, tag))

    channel.basic_consume(
        queue, lambda channel, method, *_: start(functools.partial(work, channel, method.delivery_tag))
    )
    bench.run(channel, lambda: bench.spans(f"process {queue}"))
    process, engine = bench.span(f"process {queue}"), bench.span("engine")
    assert engine.parent.span_id == process.context.span_id
    assert bench.span(f"publish {target}").parent.span_id == process.context.span_id
    assert process.end_time - process.start_time >= 0.2 * SECOND
    assert outcome(process) == ("ack", "UNSET", None)


def test_a_failure_republished_from_a_thread_fails_the_message(bench: Bench, copying: Any) -> None:
    """x-exception-type on a copy sent to the dead letters makes the acknowledged original an error."""
    queue, dead = bench.queue(), bench.queue()
    channel = bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")

    def work(channel: Any, tag: int) -> None:
        headers = {"x-exception-type": "audio_too_long", "x-exception-message": "secret.wav"}

        def settle() -> None:
            channel.basic_publish("", dead, b"body", pika.BasicProperties(headers=headers))
            channel.basic_ack(tag)

        channel.connection.add_callback_threadsafe(settle)

    channel.basic_consume(
        queue, lambda channel, method, *_: copying(functools.partial(work, channel, method.delivery_tag))
    )
    bench.run(channel, lambda: bench.spans(f"process {queue}"))
    process = bench.span(f"process {queue}")
    assert outcome(process) == ("ack", "ERROR", "audio_too_long")
    assert "secret.wav" not in "".join(span.to_json() for span in bench.exporter.get_finished_spans())
