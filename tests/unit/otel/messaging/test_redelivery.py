"""Messages that come again: what is counted, and what nobody can know."""

from __future__ import annotations

from typing import Any

import pika
import pytest

from unit.otel.messaging.conftest import Clock, Seen, Wire
from voxtrace.testing import InMemoryBroker

PROCESS = "process speech:transcribe"


def acknowledge(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
    """The shortest consumer."""
    channel.basic_ack(method.delivery_tag)


@pytest.mark.parametrize(
    ("headers", "redelivered", "attempt"),
    [
        ({}, False, 1),
        # A classic queue does not count.
        ({}, True, 2),
        # A quorum queue counts from 0 on.
        ({"x-delivery-count": 0}, False, 1),
        ({"x-delivery-count": 1}, True, 2),
        ({"x-delivery-count": 0}, True, 2),
        ({"x-attempt": 3}, False, 3),
        ({"x-attempt": 3, "x-delivery-count": 2}, True, 5),
        ({"x-attempt": "3", "x-delivery-count": True}, False, 1),
        ({"x-attempt": 2**63 - 1, "x-delivery-count": 1}, True, 1_000_000),
        ({"x-attempt": -(2**63), "x-delivery-count": -1}, True, 1),
    ],
)
def test_attempts_are_counted(
    wire: Wire, seen: Seen, headers: dict[str, Any], redelivered: bool, attempt: int
) -> None:
    """An attempt is a republication by the services or a return to the queue by the broker."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(pika.BasicProperties(headers=headers), redelivered=redelivered)
    attributes = seen.named(PROCESS)["attributes"]
    assert attributes["voxtrace.messaging.delivery.attempt"] == attempt
    assert attributes["voxtrace.messaging.redelivered"] is redelivered


@pytest.mark.usefixtures("instrumented")
def test_attempts_at_a_quorum_queue_are_counted_by_get(seen: Seen) -> None:
    """The first message got says that it was delivered 0 times before: that is attempt 1."""
    channel = InMemoryBroker().channel()
    channel.queue_declare("transcribe", durable=True, arguments={"x-queue-type": "quorum"})
    channel.basic_publish("", "transcribe", b"body")
    for _ in range(3):
        method, _, _ = channel.basic_get("transcribe")
        channel.basic_nack(method.delivery_tag)
    assert [
        (
            span["attributes"]["voxtrace.messaging.delivery.count"],
            span["attributes"]["voxtrace.messaging.delivery.attempt"],
        )
        for span in seen.spans()
        if span["name"] == "receive transcribe"
    ] == [(0, 1), (1, 2), (2, 3)]


def test_a_redelivery_has_no_wait(wire: Wire, seen: Seen, clock: Clock) -> None:
    """How long a returned message lay in the queue is unknown, and not made up from its first time."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    enqueued = clock.now // 1_000_000 - 2000
    wire.deliver(pika.BasicProperties(headers={"voxtrace-enqueued-at": enqueued}), redelivered=True)
    assert [span["name"] for span in seen.spans()] == [PROCESS]
