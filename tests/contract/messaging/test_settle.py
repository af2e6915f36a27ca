"""How a message's end shows, on a real broker."""

from __future__ import annotations

import contextvars
import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.trace import StatusCode
from pika.exceptions import ChannelClosedByBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from contract.messaging.conftest import Bench

SECOND = 1_000_000_000


def outcome(span: ReadableSpan) -> tuple[object, str, object]:
    """Settlement, status and error type."""
    return (
        span.attributes.get("voxtrace.messaging.settlement"),
        span.status.status_code.name,
        span.attributes.get("error.type"),
    )


@pytest.mark.parametrize(
    ("refuse", "first"),
    [
        (lambda channel, tag: channel.basic_nack(tag), ("requeue", "UNSET", None)),
        (lambda channel, tag: channel.basic_reject(tag), ("requeue", "ERROR", "rejected")),
    ],
)
def test_a_returned_message_comes_again(
    bench: Bench, refuse: Callable[[Any, int], None], first: tuple[object, str, object]
) -> None:
    """Each delivery of a message has a span; the second knows that it is one."""
    queue, channel = bench.queue(**{"x-queue-type": "quorum"}), bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        if method.redelivered:
            channel.basic_ack(method.delivery_tag)
        else:
            refuse(channel, method.delivery_tag)

    channel.basic_consume(queue, work)
    bench.run(channel, lambda: len(bench.spans(f"process {queue}")) == 2)
    deliveries = bench.spans(f"process {queue}")
    assert [outcome(span) for span in deliveries] == [first, ("ack", "UNSET", None)]
    assert [span.attributes["voxtrace.messaging.redelivered"] for span in deliveries] == [False, True]
    assert [span.attributes["voxtrace.messaging.delivery.attempt"] for span in deliveries] == [1, 2]
    assert len({span.context.trace_id for span in deliveries}) == 1


@pytest.mark.parametrize(
    ("refuse", "expected"),
    [
        (lambda channel, tag: channel.basic_nack(tag, requeue=False), ("nack", "ERROR", "rejected")),
        (lambda channel, tag: channel.basic_reject(tag, requeue=False), ("reject", "ERROR", "rejected")),
    ],
)
def test_a_refused_message_is_an_error(
    bench: Bench, refuse: Callable[[Any, int], None], expected: tuple[object, str, object]
) -> None:
    """Refusing for good is a failure, without any exception."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")
    channel.basic_consume(queue, lambda channel, method, *_: refuse(channel, method.delivery_tag))
    bench.run(channel, lambda: bench.spans(f"process {queue}"))
    assert outcome(bench.span(f"process {queue}")) == expected


def test_a_multiple_ack_ends_every_span(bench: Bench) -> None:
    """A batch that is acknowledged at once ends at once."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    for _ in range(3):
        channel.basic_publish("", queue, b"body")
    tags: list[int] = []
    channel.basic_consume(queue, lambda _channel, method, *_: tags.append(method.delivery_tag))
    bench.run(channel, lambda: len(tags) == 3)
    assert bench.spans(f"process {queue}") == []
    channel.basic_ack(tags[-1], multiple=True)
    assert [outcome(span) for span in bench.spans(f"process {queue}")] == [("ack", "UNSET", None)] * 3


def test_closing_before_the_ack_ends_the_span(bench: Bench) -> None:
    """A channel closed over an unsettled message leaves no span open, and no success."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")
    runs: list[int] = []
    channel.basic_consume(queue, lambda *_: runs.append(1))
    bench.run(channel, lambda: runs)
    channel.connection.close()
    assert outcome(bench.span(f"process {queue}")) == ("channel_closed", "ERROR", "ChannelClosedByClient")


def test_a_channel_the_broker_closes_ends_the_span(bench: Bench) -> None:
    """An ack of an unknown tag costs the channel, and with it the message in hand."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    channel.basic_publish("", queue, b"body")
    channel.basic_consume(queue, lambda channel, *_: channel.basic_ack(99))
    with suppress(ChannelClosedByBroker):  # pika 1.5 raises it here, pika 1.4 does not
        bench.run(channel, lambda: bench.spans(f"process {queue}"))
    assert outcome(bench.span(f"process {queue}")) == ("channel_closed", "ERROR", "ChannelClosedByBroker")


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


def test_a_delayed_retry_stays_in_the_trace(bench: Bench) -> None:
    """Through a TTL queue and a dead-letter exchange a message keeps its trace and its whole wait."""
    queue = bench.queue()
    delay = bench.queue(
        **{"x-message-ttl": 150, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
    )
    channel = bench.channel(confirm=True)
    channel.basic_publish("", delay, b"body")
    channel.basic_consume(queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    bench.run(channel, lambda: bench.spans(f"process {queue}"))
    publish, wait, process = (
        bench.span(f"publish {delay}"),
        bench.span(f"wait {queue}"),
        bench.span(f"process {queue}"),
    )
    assert process.parent.span_id == wait.parent.span_id == publish.context.span_id
    assert wait.end_time - wait.start_time >= 0.15 * SECOND
    assert process.status.status_code is StatusCode.UNSET
