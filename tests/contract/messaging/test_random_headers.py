"""Random headers of every AMQP type, over the wire of a real broker."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pika
import pytest

from contract.messaging.adapters.registry import adapters
from contract.messaging.headers import READ, TELLING, Field, thrown, write_fields
from voxtrace import _guard

if TYPE_CHECKING:
    from contract.messaging.bench import Bench

BATCHES = 20
BATCH = 100
"""Messages that are on the queue at once."""


def table(chance: random.Random) -> dict[str, Any]:
    """Every header of a random type; one of them may be long, for which one frame has room."""
    found = {name: thrown(chance) for name in READ}
    found[chance.choice(READ)] = chance.choice(TELLING)
    found[chance.choice(READ)] = Field.thrown(chance)
    return found


@adapters()
def test_random_headers_cost_no_message(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two thousand tables each message is taken once, in its order, as one span, and nothing is caught."""
    # What our guard swallows is reported there: a failure would cost the message its span.
    failures: set[tuple[str, type]] = set()
    monkeypatch.setattr(_guard, "_reported", failures)
    write_fields(monkeypatch)
    chance = random.Random(4)  # noqa: S311 - no secret
    queue, sender, end = bench.queue(), bench.channel(), bench.open()
    bodies: list[int] = []

    def work(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        bodies.append(int(body))
        channel.basic_ack(method.delivery_tag)

    end.consume(queue, work)
    for batch in range(BATCHES):
        numbers = range(batch * BATCH, (batch + 1) * BATCH)
        with bench.suppressed():
            for number in numbers:
                properties = pika.BasicProperties(headers=table(chance))
                sender.basic_publish("", queue, str(number).encode(), properties)
        bench.until(end, lambda last=numbers[-1]: last in bodies, "the consumer died")
        bench.see(end, lambda: len(bench.taken(queue)) == BATCH, "spans are missing")
        bench.exporter.clear()
    assert bodies == list(range(BATCHES * BATCH))
    assert failures == set()
    assert bench.channel().queue_declare(queue, passive=True).method.message_count == 0
