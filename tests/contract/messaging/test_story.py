"""A message that fails, waits, dies and is sent again is one story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pika
from opentelemetry.trace import StatusCode

from contract.messaging.adapters.registry import PULLING, adapters

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from contract.messaging.bench import Bench

SECOND = 1_000_000_000
PREVIOUS = "previous_attempt"


def dying(bench: Bench, dead: str) -> str:
    """A queue whose refused messages come to another one."""
    return bench.queue(**{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})


def links(span: ReadableSpan) -> dict[int, object]:
    """What a span links to, and why."""
    return {link.context.span_id: link.attributes.get("voxtrace.link.reason") for link in span.links}


def acknowledge(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
    """The shortest consumer."""
    channel.basic_ack(method.delivery_tag)


@adapters()
def test_a_dead_letter_knows_its_history(bench: Bench) -> None:
    """Who takes a dead letter has its creation as parent, the attempt that failed as link, and x-death."""
    dead = bench.queue()
    queue = dying(bench, dead)
    sender, worker, undertaker = bench.open(), bench.open(), bench.open()
    sender.publish(queue)
    worker.consume(queue, lambda channel, method, *_: channel.basic_reject(method.delivery_tag, False))
    undertaker.consume(dead, acknowledge)
    bench.see(worker, lambda: bench.taken(queue), "no span for the message taken")
    # Both destinations name the dead queue or the first one, by routing key and by queue.
    bench.see(undertaker, lambda: len(bench.taken()) == 2, "no span for the dead letter")
    failed, buried = bench.taken()
    died = {name: value for name, value in buried.attributes.items() if ".death." in name}
    assert died, "nothing is told of the dead letter's history"
    assert died == {
        "voxtrace.messaging.death.count": 1,
        "voxtrace.messaging.death.queue": queue,
        "voxtrace.messaging.death.reason": "rejected",
        "voxtrace.messaging.death.first.queue": queue,
        "voxtrace.messaging.death.first.reason": "rejected",
    }
    (published,) = bench.produced()
    assert buried.parent.span_id == published.context.span_id
    assert links(buried) == {published.context.span_id: None, failed.context.span_id: PREVIOUS}


@adapters()
def test_an_attempt_is_linked_to_the_one_before(bench: Bench) -> None:
    """Of a message that was given back, the next delivery's span says which attempt it comes after."""
    queue, sender, end = bench.queue(), bench.open(), bench.open()
    sender.publish(queue)

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        if method.redelivered:
            channel.basic_ack(method.delivery_tag)
        else:
            channel.basic_nack(method.delivery_tag)

    end.consume(queue, work)
    bench.see(end, lambda: len(bench.taken(queue)) == 2, "not one span for each delivery")
    first, second = bench.taken(queue)
    assert first.context.span_id in links(second), "the attempts are unrelated"
    assert links(second)[first.context.span_id] == PREVIOUS


@adapters(without=PULLING)
def test_a_replayed_message_links_to_both(bench: Bench) -> None:
    """Sent again while its dead letter is processed, a message links to its creation and to who sent it."""
    queue, dead = bench.queue(), bench.queue()
    sender, replayer, worker = bench.open(), bench.open(), bench.open()
    sender.publish(dead)

    def replay(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        channel.basic_publish("", queue, body, properties)
        channel.basic_ack(method.delivery_tag)

    replayer.consume(dead, replay)
    bench.see(replayer, lambda: bench.taken(dead), "no span for the message taken")
    bench.see(replayer, lambda: bench.produced(queue), "no PRODUCER span")
    worker.consume(queue, acknowledge)
    bench.see(worker, lambda: bench.taken(queue), "no span for the message replayed")
    assert all(span.links for span in bench.produced(queue)), "no link from a replay to the creation"
    (created,), (sent_again,) = bench.produced(dead), bench.produced(queue)
    (replayed,), (processed,) = bench.taken(dead), bench.taken(queue)
    assert sent_again.parent.span_id == replayed.context.span_id
    assert links(sent_again) == {created.context.span_id: None}
    assert processed.parent.span_id == created.context.span_id
    assert links(processed) == {created.context.span_id: None, replayed.context.span_id: PREVIOUS}
    assert {span.context.trace_id for span in (sent_again, replayed, processed)} == {created.context.trace_id}


@adapters()
def test_a_delayed_retry_stays_in_the_trace(bench: Bench) -> None:
    """Through a queue whose messages expire into another, a message keeps its trace and its whole wait."""
    queue = bench.queue()
    delay = bench.queue(
        # The broker's timer has been seen to go off 4 ms early.
        **{"x-message-ttl": 160, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
    )
    sender, end = bench.open(), bench.open()
    sender.publish(delay)
    end.consume(queue, acknowledge)
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    assert bench.waited(queue), "no span for the wait in the queue"
    (published,), (wait,), (taken,) = bench.produced(delay), bench.waited(queue), bench.taken(queue)
    assert taken.parent.span_id == wait.parent.span_id == published.context.span_id
    assert wait.end_time - wait.start_time >= 0.15 * SECOND
    assert taken.status.status_code is StatusCode.UNSET
    assert taken.attributes["voxtrace.messaging.death.reason"] == "expired"


def test_a_story_can_be_told_by_header_alone(bench: Bench) -> None:
    """A process that did not see the attempt before knows of it from the message."""
    queue = bench.queue()
    created, previous = f"00-{9:032x}-{8:016x}-01", f"00-{9:032x}-{7:016x}-01"
    headers = {"traceparent": created, "voxtrace-previous": previous}
    with bench.suppressed():
        bench.open().publish(queue, properties=pika.BasicProperties(headers=headers))
    end = bench.open()
    end.consume(queue, acknowledge)
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    assert links(bench.taken(queue)[0]) == {8: None, 7: PREVIOUS}
