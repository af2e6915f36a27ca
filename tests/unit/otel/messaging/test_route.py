"""What is made once for all messages on one way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from voxtrace.messaging.route import MAX_ROUTES, Routes

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Remembering, Seen, Wire

CHANNEL = SimpleNamespace(connection=SimpleNamespace(params=SimpleNamespace(host="broker.test", port=5672)))


def test_a_way_is_made_once() -> None:
    """The same exchange, key, queue, broker and operation are the same route, and any other another."""
    routes = Routes()
    route = routes.consumed(CHANNEL, "speech", "transcribe", "transcribe")
    assert routes.consumed(CHANNEL, "speech", "transcribe", "transcribe") is route
    elsewhere = SimpleNamespace(
        connection=SimpleNamespace(params=SimpleNamespace(host="other.test", port=5672))
    )
    others = [
        routes.consumed(elsewhere, "speech", "transcribe", "transcribe"),
        routes.consumed(CHANNEL, "speech", "transcribe", "audit"),
        routes.consumed(CHANNEL, "speech", "translate", "transcribe"),
        routes.consumed(CHANNEL, "", "transcribe", "transcribe"),
        routes.consumed(CHANNEL, "speech", "transcribe", "transcribe", "receive"),
        routes.published(CHANNEL, "speech", "transcribe"),
        routes.settled(route, "ack"),
        routes.settled(route, "nack"),
    ]
    assert len({id(found) for found in (route, *others)}) == len(others) + 1
    assert routes.settled(route, "ack") is others[-2]


def test_routes_are_bounded() -> None:
    """Keys that hold ids do not fill the memory."""
    routes = Routes()
    for number in range(3 * MAX_ROUTES):
        routes.published(CHANNEL, "topic", f"job.{number}")
    assert len(routes._routes) <= MAX_ROUTES


@pytest.mark.parametrize("strange", [None, 7, ["q"], {"q": 1}, b"q"])
def test_what_is_no_text_has_no_name(strange: Any) -> None:
    """Whatever a caller hands in there is a route."""
    assert Routes().published(None, strange, strange).span_name == "publish amq.default"


def test_a_consumers_sampler_sees_the_message(wire: Wire, sampler: Remembering) -> None:
    """What its messages have in common, and what is told of this one, is known when its span starts."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    wire.deliver()
    assert sampler.asked == [
        {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "speech:transcribe",
            "messaging.rabbitmq.destination.routing_key": "transcribe",
            "server.address": "broker.test",
            "server.port": 5672,
            "voxtrace.messaging.queue.name": "transcribe",
            "voxtrace.messaging.redelivered": False,
            "voxtrace.messaging.delivery.attempt": 1,
            "messaging.rabbitmq.message.delivery_tag": 1,
        }
    ]


def test_one_message_leaves_nothing_for_the_next(wire: Wire, seen: Seen) -> None:
    """What is shared stays as it was made, though spans and measurements add to it."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
    wire.deliver(redelivered=True, delivery_tag=1)
    wire.blocking.basic_reject(1, requeue=False)
    wire.deliver(delivery_tag=2)
    wire.blocking.basic_ack(2)
    last = seen.spans()[-1]["attributes"]
    assert "error.type" not in last
    assert last["voxtrace.messaging.redelivered"] is False
    points = seen.metrics()["messaging.process.duration"]
    assert [attributes.get("error.type") for attributes, _ in points] == ["rejected", None]
