"""What is special about asking for messages: `consume()` and `basic_get`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind

from contract.messaging.adapters.registry import adapters

if TYPE_CHECKING:
    from contract.messaging.bench import Bench


@adapters("generator")
def test_an_idle_tick_is_in_no_messages_context(bench: Bench) -> None:
    """While the loop waits for the next message, nothing it does belongs to the one before."""
    queue, sender, channel = bench.queue(), bench.open(), bench.open().channel
    sender.publish(queue)
    during: list[bool] = []
    for method, _, _ in channel.consume(queue, inactivity_timeout=0.05):
        traced = trace.get_current_span().get_span_context().is_valid
        if method is not None:
            during.append(traced)
            channel.basic_ack(method.delivery_tag)
        elif during:
            assert not traced, "an idle tick is in the message's context"
            break
    assert during == [True]


@adapters("generator")
def test_the_context_ends_with_the_loop(bench: Bench) -> None:
    """However a loop ends, the context after it is that before, and the message's span ends all the same."""
    queue, sender, channel = bench.queue(), bench.open(), bench.open().channel
    for end in (None, ZeroDivisionError()):
        sender.publish(queue)
        with suppress(ZeroDivisionError):
            for method, _, _ in channel.consume(queue, inactivity_timeout=5):
                channel.basic_ack(method.delivery_tag)
                if end is not None:
                    raise end
                break
        assert not trace.get_current_span().get_span_context().is_valid, "the context outlives the loop"
        assert context.get_current() == {}
    sender.publish(queue)
    messages = channel.consume(queue, inactivity_timeout=5)
    channel.basic_ack(next(messages)[0].delivery_tag)
    messages.close()
    assert context.get_current() == {}
    channel.cancel()
    assert len(bench.taken(queue)) == 3


@adapters("get")
def test_an_empty_queue_is_no_span(bench: Bench) -> None:
    """A basic_get that finds nothing leaves nothing."""
    queue = bench.queue()
    assert bench.open().channel.basic_get(queue) == (None, None, None)
    assert bench.names() == []


@adapters("select", "asyncio")
def test_a_message_got_by_callback_is_received(bench: Bench) -> None:
    """The callback of a basic_get runs in the context of the receive span."""
    queue, end = bench.queue(), bench.open()
    end.publish(queue)
    current: list[int] = []

    def got(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        current.append(trace.get_current_span().get_span_context().span_id)
        channel.basic_ack(method.delivery_tag)

    end.channel.basic_get(queue, got)
    bench.until(end, lambda: current, "the message was not delivered")
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    (received,), (published,) = bench.taken(queue), bench.produced(queue)
    assert (received.name, received.kind) == (f"receive {queue}", SpanKind.CLIENT)
    assert received.parent.span_id == published.context.span_id
    assert current == [received.context.span_id]


@adapters("get", "memory", "thread_safe")
def test_a_message_got_is_received(bench: Bench) -> None:
    """The call is a CLIENT span below the publish, in whose context nothing else runs."""
    queue, end = bench.queue(), bench.open()
    end.publish(queue)
    method, _, body = end.channel.basic_get(queue)
    assert not trace.get_current_span().get_span_context().is_valid
    end.channel.basic_ack(method.delivery_tag)
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    (received,), (published,) = bench.taken(queue), bench.produced(queue)
    assert (received.name, received.kind, body) == (f"receive {queue}", SpanKind.CLIENT, b"body")
    assert received.parent.span_id == published.context.span_id
    assert [link.context.span_id for link in received.links] == [published.context.span_id]
