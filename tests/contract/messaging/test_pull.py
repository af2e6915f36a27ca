"""What is special about asking for messages: `consume()` and `basic_get`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from opentelemetry import context, trace

from contract.messaging.adapters.registry import adapters

if TYPE_CHECKING:
    from contract.messaging.bench import Bench


@adapters("generator")
def test_a_generator_leaves_no_context_behind(bench: Bench) -> None:
    """At an idle tick and after the loop the context is what it was before, in any way the loop may end."""
    queue, sender = bench.queue(), bench.open()
    sender.publish(queue)
    channel = bench.open().channel
    during: list[bool] = []
    idle: list[bool] = []
    for method, _, _ in channel.consume(queue, inactivity_timeout=0.05):
        current = trace.get_current_span().get_span_context().is_valid
        (idle if method is None else during).append(current)
        if method is None and during:
            break
        if method is not None:
            channel.basic_ack(method.delivery_tag)
    assert during == [True]
    assert idle[-1] is False, "an idle tick is in the message's context"
    sender.publish(queue)
    for method, _, _ in channel.consume(queue, inactivity_timeout=5):
        channel.basic_ack(method.delivery_tag)
        break
    assert not trace.get_current_span().get_span_context().is_valid, "the context outlives the loop"
    assert context.get_current() == {}
    sender.publish(queue)
    with suppress(ZeroDivisionError):
        for method, _, _ in channel.consume(queue, inactivity_timeout=5):
            channel.basic_ack(method.delivery_tag)
            raise ZeroDivisionError
    assert context.get_current() == {}
    channel.cancel()
    assert len(bench.taken(queue)) == 3


@adapters("get")
def test_an_empty_queue_is_no_span(bench: Bench) -> None:
    """A basic_get that finds nothing leaves nothing."""
    queue = bench.queue()
    assert bench.open().channel.basic_get(queue) == (None, None, None)
    assert bench.names() == []
