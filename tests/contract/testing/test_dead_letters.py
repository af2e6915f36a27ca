"""How messages die, and what their headers say, on either broker."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pika
import pytest
from pika.data import decode_value
from pika.exceptions import NackError

if TYPE_CHECKING:
    from contract.testing.conftest import Bench


# What pika's codec makes of a 64-bit integer: a type of its own, in pika 1.4.
LONG = type(decode_value(b"l" + bytes(8), 0)[0])


def refuse(bench: Bench, queue: str) -> None:
    """Take the next message of a queue and refuse it."""
    channel = bench.channel()
    method, _, _ = channel.basic_get(queue)
    assert method is not None
    channel.basic_reject(method.delivery_tag, requeue=False)
    channel.close()


def dying(bench: Bench, target: str, **arguments: Any) -> str:
    """A queue whose dead go to `target`."""
    return bench.queue(x_dead_letter_exchange="", x_dead_letter_routing_key=target, **arguments)


def timeless(headers: dict[str, Any]) -> dict[str, Any]:
    """The headers of a dead message; each time of death is checked and left out."""
    now = datetime.now(UTC).timestamp()
    deaths = [dict(death) for death in headers["x-death"]]
    assert all(abs(death.pop("time").timestamp() - now) < 30 for death in deaths)
    return {**headers, "x-death": deaths}


def test_a_refused_message_carries_its_death(bench: Bench) -> None:
    """x-death is an array of tables, and the first death has headers of its own."""
    dead = bench.queue()
    queue = dying(bench, dead)
    bench.put(queue, b"body", headers={"mine": 1})
    refuse(bench, queue)
    method, properties, body = bench.take(dead)
    assert (method.exchange, method.routing_key, method.redelivered, body) == ("", dead, False, b"body")
    assert type(properties.headers["x-death"][0]["count"]) is LONG
    assert timeless(properties.headers) == {
        "mine": 1,
        "x-death": [
            {"count": 1, "reason": "rejected", "queue": queue, "exchange": "", "routing-keys": [queue]}
        ],
        "x-first-death-exchange": "",
        "x-first-death-queue": queue,
        "x-first-death-reason": "rejected",
    }


def test_a_second_death_of_the_same_kind_is_counted(bench: Bench) -> None:
    """The same queue and reason again raise the count; the times stay those of the first."""
    dead = bench.queue()
    queue = dying(bench, dead)
    bench.put(queue, b"body")
    refuse(bench, queue)
    _, properties, body = bench.take(dead)
    bench.channel().basic_publish("", queue, body, properties)
    refuse(bench, queue)
    _, again, _ = bench.take(dead)
    first, second = properties.headers["x-death"][0], again.headers["x-death"][0]
    assert second == {**first, "count": 2}
    assert type(second["count"]) is LONG


def test_a_death_elsewhere_comes_first(bench: Bench) -> None:
    """Deaths are listed with the latest at the head; the first-death headers stay."""
    last = bench.queue()
    second = dying(bench, last)
    first = dying(bench, second)
    bench.put(first, b"body")
    refuse(bench, first)
    refuse(bench, second)
    _, properties, _ = bench.take(last)
    assert [death["queue"] for death in properties.headers["x-death"]] == [second, first]
    assert properties.headers["x-first-death-queue"] == first


def test_without_a_key_of_its_own_the_dead_keep_theirs(bench: Bench) -> None:
    """x-dead-letter-routing-key is optional."""
    exchange = bench.exchange("direct")
    queue = bench.queue(x_dead_letter_exchange=exchange)
    dead = bench.bound(exchange, queue)
    bench.put(queue, b"body")
    refuse(bench, queue)
    assert bench.take(dead)[0].routing_key == queue


def test_a_dead_letter_exchange_that_is_not_there_swallows(bench: Bench) -> None:
    """The dead are gone, and nobody is told."""
    queue = bench.queue(x_dead_letter_exchange=bench.name())
    bench.put(queue, b"body")
    refuse(bench, queue)
    assert bench.waiting(queue) == 0


def test_the_queues_ttl_expires_a_message(bench: Bench) -> None:
    """After x-message-ttl milliseconds a waiting message dies of `expired`."""
    dead = bench.queue()
    queue = dying(bench, dead, x_message_ttl=30)
    bench.put(queue, b"body")
    _, properties, _ = bench.take(dead)
    assert [
        (death["reason"], death["queue"], "original-expiration" in death)
        for death in properties.headers["x-death"]
    ] == [("expired", queue, False)]


def test_a_messages_own_expiration_is_kept_apart(bench: Bench) -> None:
    """The expiration that killed it is in x-death, and no more in the properties."""
    dead = bench.queue()
    queue = dying(bench, dead)
    bench.put(queue, b"body", expiration="30")
    _, properties, _ = bench.take(dead)
    assert properties.headers["x-death"][0]["original-expiration"] == "30"
    assert properties.expiration is None


def test_a_message_in_hand_does_not_expire(bench: Bench) -> None:
    """Its time runs out in the queue alone; once returned, it dies at once."""
    dead = bench.queue()
    queue = dying(bench, dead, x_message_ttl=30)
    channel = bench.channel()
    bench.put(queue, b"body")
    method, _, _ = channel.basic_get(queue)
    deadline = time.monotonic() + 0.06
    while time.monotonic() < deadline:
        assert bench.waiting(dead) == 0
    channel.basic_nack(method.delivery_tag)
    assert bench.take(dead)[2] == b"body"


def test_what_is_too_much_dies_of_maxlen(bench: Bench) -> None:
    """The head that makes way is a dead letter too."""
    dead = bench.queue()
    queue = dying(bench, dead, x_max_length=1)
    bench.put(queue, b"1", b"2")
    _, properties, body = bench.take(dead)
    assert (properties.headers["x-death"][0]["reason"], body) == ("maxlen", b"1")


def test_what_a_full_queue_refuses_may_die_of_maxlen(bench: Bench) -> None:
    """With overflow reject-publish-dlx the refused message is a dead letter."""
    dead = bench.queue()
    queue = dying(bench, dead, x_max_length=1, x_overflow="reject-publish-dlx")
    bench.put(queue, b"1")
    with pytest.raises(NackError):
        bench.put(queue, b"2")
    _, properties, body = bench.take(dead)
    assert (properties.headers["x-death"][0]["reason"], body) == ("maxlen", b"2")


def test_nobody_rejecting_a_circle_is_cut(bench: Bench) -> None:
    """A message that would expire round and round is dropped when it comes back to a queue."""
    exchange = bench.exchange("fanout")
    second = bench.queue(x_message_ttl=20, x_dead_letter_exchange=exchange)
    first = dying(bench, second, x_message_ttl=20)
    bench.channel().queue_bind(first, exchange)
    witness = bench.bound(exchange)
    bodies = []
    for body in (b"1", b"2"):
        bench.put(first, body)
        bodies.append(bench.take(witness)[2])
    # A second coming of the first message would be ahead of the other.
    assert bodies == [b"1", b"2"]


def test_a_circle_with_a_rejection_goes_on(bench: Bench) -> None:
    """Retries by a waiting queue come back for as long as a consumer rejects."""
    queue, waiting = bench.name(), bench.name()
    channel = bench.channel()
    channel.queue_declare(
        queue,
        exclusive=True,
        arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": waiting},
    )
    channel.queue_declare(
        waiting,
        exclusive=True,
        arguments={"x-message-ttl": 20, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue},
    )
    deaths: list[list[tuple[str, int]]] = []

    def work(_channel: Any, method: Any, properties: pika.BasicProperties, _body: bytes) -> None:
        found = (properties.headers or {}).get("x-death", [])
        deaths.append([(death["reason"], int(death["count"])) for death in found])
        channel.basic_nack(method.delivery_tag, requeue=False)

    channel.basic_consume(queue, work)
    channel.basic_publish("", queue, b"body")
    bench.run(channel, lambda: len(deaths) == 3)
    assert deaths == [
        [],
        [("expired", 1), ("rejected", 1)],
        [("expired", 2), ("rejected", 2)],
    ]


@pytest.mark.parametrize("close", [False, True])
def test_a_quorum_queue_counts_returns(bench: Bench, close: bool) -> None:
    """To basic_get, x-delivery-count says how often a message came back, from 0 on."""
    queue = bench.queue(x_queue_type="quorum")
    bench.put(queue, b"body")
    counts = []
    for _ in range(3):
        channel = bench.channel()
        method = None
        while method is None:
            method, properties, _ = channel.basic_get(queue)
        count = properties.headers["x-delivery-count"]
        assert type(count) is LONG
        counts.append((method.redelivered, count))
        if close:
            channel.close()
        else:
            channel.basic_nack(method.delivery_tag)
    assert counts == [(False, 0), (True, 1), (True, 2)]


def test_a_quorum_queue_tells_consumers_of_returns(bench: Bench) -> None:
    """To a consumer, x-delivery-count is absent until the message came back."""
    queue, channel = bench.queue(x_queue_type="quorum"), bench.channel()
    counts: list[tuple[bool, Any]] = []

    def work(_channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        counts.append((method.redelivered, (properties.headers or {}).get("x-delivery-count")))
        channel.basic_nack(method.delivery_tag)

    channel.basic_consume(queue, work)
    bench.put(queue, b"body")
    bench.run(channel, lambda: len(counts) >= 3)
    assert counts[:3] == [(False, None), (True, 1), (True, 2)]


def test_past_the_delivery_limit_a_message_dies(bench: Bench) -> None:
    """With x-delivery-limit 1 a message is delivered twice, then it is dead."""
    dead = bench.queue()
    queue = dying(bench, dead, x_queue_type="quorum", x_delivery_limit=1)
    channel = bench.channel()
    runs: list[int] = []

    def work(_channel: Any, method: Any, *_: Any) -> None:
        runs.append(method.delivery_tag)
        channel.basic_nack(method.delivery_tag)

    channel.basic_consume(queue, work)
    bench.put(queue, b"body")
    bench.run(channel, lambda: bench.waiting(dead))
    _, properties, _ = bench.take(dead)
    assert len(runs) == 2
    assert properties.headers["x-death"][0]["reason"] == "delivery_limit"
    assert properties.headers.get("x-delivery-count") is None
