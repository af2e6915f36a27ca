"""What destinations are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from voxtrace.messaging.destination import Destination, consumed_from, published_to
from voxtrace.messaging.route import MAX_DESTINATIONS

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Seen, Wire


@pytest.mark.parametrize(
    ("exchange", "routing_key", "name", "label"),
    [
        ("speech", "transcribe", "speech:transcribe", "speech:transcribe"),
        ("", "transcribe", "transcribe", "transcribe"),
        ("speech.dead", "", "speech.dead", "speech.dead"),
        ("", "", "amq.default", "amq.default"),
        ("", "amq.gen-Xyz", "amq.gen-Xyz", "(anonymous)"),
        ("", "amq.rabbitmq.reply-to.g2dk", "amq.rabbitmq.reply-to.g2dk", "(anonymous)"),
        (None, 7, "amq.default", "amq.default"),
    ],
)
def test_a_producers_destination(exchange: object, routing_key: object, name: str, label: str) -> None:
    """Exchange and routing key, empty ones left out."""
    assert published_to(exchange, routing_key) == Destination(name, label)


@pytest.mark.parametrize(
    ("exchange", "routing_key", "queue", "name", "label"),
    [
        ("speech", "transcribe", "transcribe", "speech:transcribe", "speech:transcribe"),
        ("jobs", "job.created", "asr", "jobs:job.created:asr", "jobs:job.created:asr"),
        ("", "events", "events", "events", "events"),
        ("speech.dead", "", "speech.dead", "speech.dead:speech.dead", "speech.dead:speech.dead"),
        ("logs", "", "amq.gen-Xyz", "logs:amq.gen-Xyz", "logs"),
        ("", "amq.gen-Xyz", "amq.gen-Xyz", "amq.gen-Xyz", "(anonymous)"),
    ],
)
def test_a_consumers_destination(exchange: str, routing_key: str, queue: str, name: str, label: str) -> None:
    """Exchange, routing key and queue, the queue left out where it repeats the key."""
    assert consumed_from(exchange, routing_key, queue) == Destination(name, label)


def test_a_made_up_name_is_marked(wire: Wire, seen: Seen) -> None:
    """A reply to a queue that the broker named keeps the name as attribute alone, and says so."""
    wire.blocking.basic_publish("", "amq.gen-Xyz", b"")
    span = seen.named("publish (anonymous)")
    assert span["attributes"]["messaging.destination.name"] == "amq.gen-Xyz"
    assert span["attributes"]["messaging.destination.anonymous"] is True


def test_metrics_name_a_bounded_number_of_destinations(wire: Wire, seen: Seen) -> None:
    """Routing keys that hold ids do not make a time series each."""
    for number in range(MAX_DESTINATIONS + 5):
        wire.blocking.basic_publish("topic", f"job.{number}", b"")
    points = seen.metrics()["messaging.client.sent.messages"]
    assert len(points) == MAX_DESTINATIONS + 1
    assert [count for attributes, count in points if "messaging.destination.name" not in attributes] == [5]
