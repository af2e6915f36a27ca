"""What a message went through before shows on its span, and links to the attempt before."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext
from pika.exceptions import StreamLostError

from voxtrace.messaging import history
from voxtrace.messaging.history import Deaths, Memory, deaths

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Clock, Seen, Wire

CREATION = f"00-{9:032x}-{8:016x}-01"
PROCESS = "process speech:transcribe"
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def death(queue: Any, reason: Any, count: Any = 1) -> dict[str, Any]:
    """An entry as RabbitMQ writes it."""
    return {"queue": queue, "reason": reason, "count": count, "exchange": "", "routing-keys": [queue]}


def links(seen: Seen) -> list[list[tuple[int, str | None]]]:
    """Per process span what it is linked to, and why."""
    return [
        [(link.context.span_id, link.attributes.get("voxtrace.link.reason")) for link in span.links]
        for span in seen.raw
        if span.kind.name == "CONSUMER"
    ]


def message(**headers: Any) -> pika.BasicProperties:
    """A message of another trace."""
    return pika.BasicProperties(headers={"traceparent": CREATION, **headers})


def refuse(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
    """A consumer that cannot."""
    channel.basic_reject(method.delivery_tag, requeue=False)


def acknowledge(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
    """A consumer that can."""
    channel.basic_ack(method.delivery_tag)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {
                "x-death": [death("retry", "expired", 2), death("work", "rejected", 2)],
                "x-first-death-queue": "work",
                "x-first-death-reason": "rejected",
            },
            Deaths(
                count=4,
                refusals=2,
                queues=("retry", "work"),
                last=("retry", "expired"),
                first=("work", "rejected"),
            ),
        ),
        (
            {"x-death": [death("work", "delivery_limit")]},
            Deaths(count=1, refusals=1, queues=("work",), last=("work", "delivery_limit"),
                   first=("work", "delivery_limit")),
        ),
        (
            {"x-death": [7, death(b"work", "the words of a caller", True), death("q" * 300, "", -5)]},
            Deaths(count=2, refusals=0, queues=("", "q" * 255), last=("", "_OTHER"), first=("q" * 255, "")),
        ),
        (
            {"x-death": [death("work", "rejected", 2**63 - 1)] * 3},
            Deaths(count=1_000_000, refusals=1_000_000, queues=("work",) * 3, last=("work", "rejected"),
                   first=("work", "rejected")),
        ),
        (
            {"x-death": [death("q", "expired")] * 40},
            Deaths(
                count=32, refusals=0, queues=("q",) * 32, last=("q", "expired"), first=("q", "expired")
            ),
        ),
        ({"x-death": []}, None),
        ({"x-death": {"count": 1}}, None),
        ({"x-death": "rejected"}, None),
        ({"x-death": ["rejected"]}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_deaths_are_read(headers: dict[str, Any], expected: Deaths | None) -> None:
    """Bounded names and numbers, and nothing from what RabbitMQ would not have written."""
    assert deaths(headers) == expected


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("queue") | st.just("count"), inner),
    max_leaves=8,
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(anything, anything, anything)
def test_no_header_raises(died: Any, first: Any, reason: Any) -> None:
    """Whatever stands in the headers, what comes out is of bounded size."""
    found = deaths({"x-death": died, "x-first-death-queue": first, "x-first-death-reason": reason})
    if found is not None:
        assert 0 <= found.refusals <= found.count <= history.MAX_COUNT
        assert all(len(queue) <= 255 for queue in (*found.queues, found.first[0]))
        assert all(len(told[1]) <= 32 for told in (found.last, found.first))


def test_deaths_are_on_the_span(wire: Wire, seen: Seen) -> None:
    """How often, where last and first, and why; a refusal was an attempt, an expiry was none."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    died = [death("retry", "expired", 2), death("transcribe", "rejected", 2)]
    wire.deliver(message(**{"x-death": died, "x-delivery-count": 1}), redelivered=True)
    assert seen.named(PROCESS)["attributes"] == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "speech:transcribe",
        "messaging.rabbitmq.destination.routing_key": "transcribe",
        "messaging.rabbitmq.message.delivery_tag": 1,
        "server.address": "broker.test",
        "server.port": 5672,
        "voxtrace.messaging.queue.name": "transcribe",
        "voxtrace.messaging.redelivered": True,
        "voxtrace.messaging.delivery.attempt": 4,
        "voxtrace.messaging.delivery.count": 1,
        "voxtrace.messaging.death.count": 4,
        "voxtrace.messaging.death.queue": "retry",
        "voxtrace.messaging.death.reason": "expired",
        "voxtrace.messaging.death.first.queue": "transcribe",
        "voxtrace.messaging.death.first.reason": "rejected",
        "voxtrace.messaging.settlement": "ack",
    }


@pytest.mark.parametrize("how", ["nack", "reject", "close", "recover"])
def test_a_redelivery_is_linked_to_the_attempt_before(wire: Wire, seen: Seen, how: str) -> None:
    """However a message went back to its queue, this process knows who had it."""
    first = wire.new_channel(2)
    first.basic_consume("transcribe", lambda *_: None, consumer_tag="first")
    wire.deliver(message(), channel=first, consumer_tag="first")
    {
        "nack": lambda: first.basic_nack(1),
        "reject": lambda: first.basic_reject(1),
        "recover": lambda: first.basic_recover(requeue=True),
        "close": lambda: first._on_close_meta(StreamLostError("gone")),
    }[how]()
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(message(), redelivered=True)
    first_attempt, second = links(seen)
    assert first_attempt == [(8, None)]
    assert second == [(8, None), (1, "previous_attempt")]


def test_a_message_that_comes_for_the_first_time_has_no_attempt_before(wire: Wire, seen: Seen) -> None:
    """The copy for another queue is another message, though it was created by the same publish."""
    for queue in ("transcribe", "audit"):
        wire.blocking.basic_consume(queue, refuse, consumer_tag=queue)
    wire.deliver(message(), consumer_tag="transcribe")
    wire.deliver(message(), consumer_tag="audit", delivery_tag=2)
    wire.deliver(message(), consumer_tag="audit", delivery_tag=3)
    wire.deliver(message(), consumer_tag="audit", delivery_tag=4, redelivered=True)
    assert links(seen) == [[(8, None)]] * 3 + [[(8, None), (5, "previous_attempt")]]


def test_a_dead_letter_is_linked_to_who_refused_it(wire: Wire, seen: Seen) -> None:
    """Past a dead-letter exchange the queue is another, and x-death names the one before."""
    wire.blocking.basic_consume("transcribe", refuse, consumer_tag="consumer")
    wire.blocking.basic_consume("dead", acknowledge, consumer_tag="dead")
    wire.deliver(message())
    wire.deliver(
        message(**{"x-death": [death("transcribe", "rejected")]}), consumer_tag="dead", delivery_tag=2
    )
    assert links(seen)[1] == [(8, None), (1, "previous_attempt")]


def test_a_republished_message_names_the_attempt_before(wire: Wire, seen: Seen) -> None:
    """In any process, the header of whoever published a message again is the link."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(message(**{"voxtrace-previous": f"00-{9:032x}-{77:016x}-01"}))
    assert links(seen) == [[(8, None), (77, "previous_attempt")]]


PUBLISHED_AGAIN = {"voxtrace-previous": f"00-{9:032x}-{77:016x}-01"}


def test_what_was_published_again_is_later_than_what_is_remembered(
    wire: Wire, seen: Seen, clock: Clock
) -> None:
    """A dead letter that keeps its x-death is linked to who sent it again, not to who refused it before."""
    wire.blocking.basic_consume("transcribe", refuse, consumer_tag="consumer")
    wire.deliver(message())
    clock.advance(5)
    died = {**death("transcribe", "rejected"), "time": datetime.fromtimestamp(START // SECOND, UTC)}
    headers = {**PUBLISHED_AGAIN, "x-death": [died], "voxtrace-enqueued-at": clock() // 1_000_000}
    wire.deliver(message(**headers), delivery_tag=2)
    # And from then on the other way round.
    clock.advance(5)
    died["time"] += timedelta(seconds=5)
    wire.deliver(message(**headers), delivery_tag=3)
    assert links(seen)[1:] == [
        [(8, None), (77, "previous_attempt")],
        [(8, None), (3, "previous_attempt")],
    ]


@pytest.mark.parametrize(("after", "expected"), [(2, []), (0, [(77, "previous_attempt")])])
def test_refused_by_others_since_a_message_has_no_known_attempt_before(
    wire: Wire, seen: Seen, after: int, expected: list[Any]
) -> None:
    """What the publisher wrote is no longer the last attempt where x-death tells of a later one."""
    wire.blocking.basic_consume("dead", acknowledge, consumer_tag="dead")
    died = {**death("transcribe", "rejected"), "time": datetime.fromtimestamp(START // SECOND + after, UTC)}
    sent = START // 1_000_000 + 500
    wire.deliver(
        message(**PUBLISHED_AGAIN, **{"x-death": [died], "voxtrace-enqueued-at": sent}), consumer_tag="dead"
    )
    assert links(seen) == [[(8, None), *expected]]


@pytest.mark.parametrize("value", [b"x" * 9000, 7, ["00"], "00-zz", "", None, {"a": 1}])
def test_a_hostile_previous_attempt_is_no_link(wire: Wire, seen: Seen, value: Any) -> None:
    """What names no span is passed over."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(message(**{"voxtrace-previous": value}))
    assert links(seen) == [[(8, None)]]


def test_a_retry_and_a_replay_are_one_story(wire: Wire, seen: Seen) -> None:
    """Each republication keeps the creation context, and each attempt is linked to the one before."""
    wire.blocking.basic_publish("speech", "transcribe", b"", pika.BasicProperties(message_id="m1"))

    def retry(channel: Any, method: Any, properties: Any, body: Any) -> None:
        channel.basic_publish("speech", "transcribe", body, properties)
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", retry, consumer_tag="retry")
    wire.deliver(wire.published[-1], consumer_tag="retry", delivery_tag=1)
    wire.blocking.basic_consume("dead", retry, consumer_tag="dead")
    wire.deliver(wire.published[-1], consumer_tag="dead", delivery_tag=2)
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="last")
    wire.deliver(wire.published[-1], consumer_tag="last", delivery_tag=3)
    story = [(span["name"], span["trace"], span["span"], span["parent"]) for span in seen.spans()]
    publish, process = "publish speech:transcribe", PROCESS
    assert [told for told in story if not told[0].startswith("wait")] == [
        (publish, 1, 1, None),
        (publish, 1, 4, 2),
        (process, 1, 2, 1),
        (publish, 1, 7, 5),
        (f"{process}:dead", 1, 5, 1),
        (process, 1, 8, 1),
    ]
    assert links(seen) == [
        [(1, None)],
        [(1, None), (2, "previous_attempt")],
        [(1, None), (5, "previous_attempt")],
    ]


def test_a_replay_outside_of_any_message_is_linked_to_its_last_attempt(wire: Wire) -> None:
    """Whoever publishes a refused message again later need not be processing it."""
    wire.blocking.basic_consume("transcribe", refuse, consumer_tag="consumer")
    wire.deliver(message())
    wire.blocking.basic_publish("speech", "transcribe", b"", message())
    assert wire.published[-1].headers["voxtrace-previous"] == f"00-{9:032x}-{1:016x}-01"
    assert wire.published[-1].headers["traceparent"] == CREATION


def span_context(number: int) -> SpanContext:
    """A span of trace 9."""
    return SpanContext(9, number, is_remote=False)


def test_memory_is_bounded() -> None:
    """The oldest attempts are forgotten, those renewed are not."""
    memory = Memory(size=4)
    for number in (1, 2, 1, 3):
        memory.remember(span_context(number), "q", span_context(100 + number))
    assert [memory.last(span_context(number), "q") for number in (1, 2, 3)] == [
        span_context(101),
        None,
        span_context(103),
    ]


def test_memory_may_be_used_by_any_thread() -> None:
    """No thread loses what it noted, nor breaks another's."""
    memory, errors = Memory(size=64), []

    def use(base: int) -> None:
        try:
            for number in range(base, base + 2000):
                memory.remember(span_context(number), "q", span_context(number))
                memory.last(span_context(number - 1), "q", "")
        except BaseException as error:  # noqa: BLE001 - to be seen in the test's thread
            errors.append(error)

    threads = [threading.Thread(target=use, args=(10_000 * number + 1,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(memory._attempts) == 64
