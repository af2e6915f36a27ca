"""The context a message is worked on in: what arrives there, what was there before, and what comes after."""

from __future__ import annotations

import contextvars
import functools
import threading
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace

from contract.messaging.adapters.registry import CALLED_BY_THE_PROGRAM, adapters

if TYPE_CHECKING:
    from contract.messaging.bench import Bench


@adapters(*CALLED_BY_THE_PROGRAM)
@pytest.mark.parametrize("traced", [True, False])
def test_a_suppressed_consumer_is_untraced(bench: Bench, traced: bool) -> None:
    """Under suppression a message is taken once and no span is made, though it may carry context."""
    queue, sender = bench.queue(), bench.open()
    headers = {"traceparent": f"00-{9:032x}-{8:016x}-01"} if traced else {}
    runs: list[int] = []
    with bench.suppressed():
        sender.publish(queue, properties=pika.BasicProperties(headers=headers))
        end = bench.open()
        end.consume(queue, lambda *_: runs.append(1), auto_ack=True)
        bench.until(end, lambda: runs, "the message was not delivered")
    assert runs == [1]
    assert bench.names() == [], "a span in spite of suppression"


@adapters(without=("get",))
def test_baggage_reaches_the_work(bench: Bench) -> None:
    """What the publisher put into baggage is there while the message is processed."""
    queue, sender, end = bench.queue(), bench.open(), bench.open()
    token = context.attach(baggage.set_baggage("job", "7"))
    sender.publish(queue)
    context.detach(token)
    found: list[object] = []

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        found.append(baggage.get_baggage("job"))
        channel.basic_ack(method.delivery_tag)

    end.consume(queue, work)
    bench.until(end, lambda: found, "the message was not delivered")
    assert found == ["7"], "the baggage did not arrive"


@adapters("blocking", "generator", "select", "memory")
def test_what_surrounds_the_consumer_stays(bench: Bench) -> None:
    """A message's context is added to the current one: other values stay, the current span is linked."""
    queue, sender = bench.queue(), bench.open()
    sender.publish(queue)
    found: list[object] = []

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        found.append(context.get_value("mine"))
        channel.basic_ack(method.delivery_tag)

    with bench.tracer.start_as_current_span("loop") as loop:
        token = context.attach(context.set_value("mine", "kept"))
        end = bench.open()
        end.consume(queue, work)
        bench.until(end, lambda: found, "the message was not delivered")
        bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
        context.detach(token)
    assert found == ["kept"], "the surrounding context was dropped"
    links = [link.context.span_id for link in bench.taken(queue)[0].links]
    assert loop.context.span_id in links, "no link to the surrounding span"


@adapters("blocking", "generator", "select", "asyncio")
def test_context_ends_with_the_work(bench: Bench) -> None:
    """What the work publishes belongs to its span; what the program does next does not."""
    queue, target, sender, end = bench.queue(), bench.queue(), bench.open(), bench.open()
    sender.publish(queue)

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        channel.basic_publish("", target, b"next")
        channel.basic_ack(method.delivery_tag)

    end.consume(queue, work)
    bench.see(end, lambda: bench.taken(queue) and bench.produced(target), "no span for the message taken")
    (taken,) = bench.taken(queue)
    assert not trace.get_current_span().get_span_context().is_valid, "the message's context outlives its work"
    assert context.get_current() == {}
    parent = bench.produced(target)[0].parent.span_id
    assert parent == taken.context.span_id, "what is published is not the message's child"


@adapters(without=("get",))
def test_what_a_thread_hands_back_is_in_the_messages_trace(bench: Bench) -> None:
    """What a worker thread that has the context gives to the connection's thread belongs to the message."""
    queue, target, sender, end = bench.queue(), bench.queue(), bench.open(), bench.open()
    sender.publish(queue)
    threads: list[threading.Thread] = []

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        def settle() -> None:
            channel.basic_publish("", target, b"next")
            channel.basic_ack(method.delivery_tag)

        here = contextvars.copy_context()
        threads.append(threading.Thread(target=here.run, args=(functools.partial(end.later, settle),)))
        threads[-1].start()

    end.consume(queue, work)
    bench.see(end, lambda: bench.taken(queue) and bench.produced(target), "no span for the message taken")
    threads[0].join()
    (taken,) = bench.taken(queue)
    parents = {span.parent.span_id if span.parent else None for span in bench.produced(target)}
    assert taken.context.span_id in parents, "what the thread handed back is in another trace"
