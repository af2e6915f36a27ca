"""Several messages worked on together are one span, and each is still found from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from contract.messaging.adapters.registry import adapters
from voxtrace.messaging import batch

if TYPE_CHECKING:
    from contract.messaging.bench import Bench


def collect(bench: Bench, queue: str, count: int) -> tuple[Any, list[Any]]:
    """Publish and take some messages, and settle none."""
    sender, end, collected = bench.open(), bench.open(), []
    for number in range(count):
        sender.publish(queue, str(number).encode())
    end.consume(queue, lambda *message: collected.append(message))
    bench.until(end, lambda: len(collected) == count, "the messages were not delivered")
    return end, collected


@adapters()
def test_a_batch_is_one_span_with_a_link_to_each_message(bench: Bench) -> None:
    """Work on three messages is one root CONSUMER span that links to three publishes, settled in one go."""
    queue = bench.queue()
    end, collected = collect(bench, queue, 3)
    with batch(collected) as span:
        assert trace.get_current_span() is span
        end.channel.basic_ack(collected[-1][1].delivery_tag, multiple=True)
    number = span.get_span_context().span_id

    def finished() -> list[Any]:
        return [found for found in bench.taken(queue) if found.context.span_id == number]

    bench.see(end, finished, "the batch never ended")
    (working,) = finished()
    published = [found.context.span_id for found in bench.produced(queue)]
    assert (working.name, working.kind, working.parent) == (f"process {queue}", SpanKind.CONSUMER, None)
    assert [link.context.span_id for link in working.links] == published
    tags = [link.attributes["messaging.rabbitmq.message.delivery_tag"] for link in working.links]
    assert tags == [message[1].delivery_tag for message in collected]
    assert working.attributes["messaging.batch.message_count"] == 3
    assert working.attributes["voxtrace.messaging.settlement"] == "ack"
    others = [found for found in bench.taken(queue) if found.context.span_id != number]
    assert len(others) == 3, "the messages' own spans did not end"


def test_batches_follow_one_another_within_a_prefetch(bench: Bench) -> None:
    """With a prefetch of three, six messages are two batches: the next one comes when the last is settled."""
    queue, channel = bench.queue(), bench.channel()
    sender = bench.open()
    for number in range(6):
        sender.publish(queue, str(number).encode())
    collected: list[Any] = []
    batches: list[list[bytes]] = []

    def collect(*message: Any) -> None:
        collected.append(message)
        if len(collected) == 3:
            with batch(collected):
                batches.append([body for *_, body in collected])
                channel.basic_ack(message[1].delivery_tag, multiple=True)
            collected.clear()

    channel.basic_qos(prefetch_count=3)
    channel.basic_consume(queue, collect)
    bench.run(channel, lambda: len(batches) == 2)
    assert batches == [[b"0", b"1", b"2"], [b"3", b"4", b"5"]]
    published = [found.context.span_id for found in bench.produced(queue)]
    working = [span for span in bench.taken(queue) if "messaging.batch.message_count" in span.attributes]
    assert [
        ([link.context.span_id for link in span.links], span.attributes["voxtrace.messaging.settlement"])
        for span in working
    ] == [(published[:3], "ack"), (published[3:], "ack")]
    channel.close()
    assert bench.channel().queue_declare(queue, passive=True).method.message_count == 0
