"""`messaging/dup`: what older conventions called things, beside the new names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pika
import pytest

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Clock, Seen, Wire

DUP = pytest.mark.parametrize("options", [{"dup": True}, {}], ids=["dup", "new"])


def old(attributes: dict[str, Any]) -> dict[str, Any]:
    """Those under names that the conventions gave up."""
    given_up = (
        "messaging.destination",
        "messaging.temp_destination",
        "messaging.operation",
        "messaging.conversation_id",
        "net.peer.name",
        "net.peer.port",
    )
    return {name: attributes[name] for name in given_up if name in attributes}


@DUP
def test_the_old_names_stand_beside_the_new(wire: Wire, seen: Seen, options: dict[str, Any]) -> None:
    """They say what opentelemetry-instrumentation-pika says, on request alone."""
    properties = pika.BasicProperties(correlation_id="upload-1")
    wire.blocking.basic_publish("", "transcribe", b"", properties)
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    wire.deliver(properties)
    publish, process = (
        seen.named(name)["attributes"] for name in ("publish transcribe", "process speech:transcribe")
    )
    common = {
        "messaging.conversation_id": "upload-1",
        "net.peer.name": "broker.test",
        "net.peer.port": 5672,
    }
    assert old(publish) == (
        {"messaging.destination": "transcribe", "messaging.temp_destination": True, **common}
        if options
        else {}
    )
    assert old(process) == (
        {"messaging.destination": "speech", "messaging.operation": "receive", **common} if options else {}
    )
    assert (publish["messaging.destination.name"], process["messaging.destination.name"]) == (
        "transcribe",
        "speech:transcribe",
    )


@DUP
def test_the_old_metrics_stand_beside_the_new(
    wire: Wire, seen: Seen, clock: Clock, options: dict[str, Any]
) -> None:
    """Each has the value and the attributes of the one that took its place."""
    wire.blocking.basic_publish("", "transcribe", b"")
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    wire.deliver()
    metrics = seen.metrics()
    new = {
        "messaging.client.sent.messages",
        "messaging.client.consumed.messages",
        "messaging.client.operation.duration",
        "messaging.process.duration",
        "voxtrace.messaging.wait.prefetch.duration",
    }
    before = {
        "messaging.publish.duration": "messaging.client.operation.duration",
        "messaging.publish.messages": "messaging.client.sent.messages",
        "messaging.client.published.messages": "messaging.client.sent.messages",
        "messaging.process.messages": "messaging.client.consumed.messages",
    }
    assert metrics.keys() == new | (before.keys() if options else set())
    if options:
        typed = "messaging.operation.type"
        for was, is_now in before.items():
            expected = [
                ({k: v for k, v in told.items() if k != typed}, value) for told, value in metrics[is_now]
            ]
            assert metrics[was] == expected, was


@pytest.mark.parametrize("options", [{"dup": True}])
def test_strange_names_cost_nothing(wire: Wire, seen: Seen) -> None:
    """What is no text has no old name either."""
    wire.channel.basic_publish("", "transcribe", b"", pika.BasicProperties(correlation_id=7))
    assert "messaging.conversation_id" not in seen.spans()[0]["attributes"]
