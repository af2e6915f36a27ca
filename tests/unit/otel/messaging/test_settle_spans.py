"""A settlement is measured, and may be a span of its own beside what it says on the message's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from pika.exceptions import ChannelWrongStateError, ConnectionClosedByClient, StreamLostError

from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.otel.messaging.conftest import Clock, Remembering, Seen, Wire

CREATION = f"00-{9:032x}-{8:016x}-01"
ALL = pytest.mark.parametrize("options", [{"settle_spans": "all"}])


def consume(wire: Wire, *tags: int, **headers: Any) -> None:
    """Deliver messages to a consumer that leaves them unsettled."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
    for tag in tags:
        wire.deliver(pika.BasicProperties(headers=headers), delivery_tag=tag)


def settlements(seen: Seen) -> list[dict[str, Any]]:
    """The spans of settlements."""
    return [span for span in seen.spans() if span["kind"] == "CLIENT"]


REJECT = {
    "name": "reject speech:transcribe",
    "kind": "CLIENT",
    "trace": 9,
    "span": 2,
    "parent": 1,
    "links": [8],
    "from": 0.0,
    "to": 0.0,
    "status": "UNSET",
    "attributes": {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "reject",
        "messaging.operation.type": "settle",
        "messaging.destination.name": "speech:transcribe",
        "messaging.rabbitmq.message.delivery_tag": 7,
        "server.address": "broker.test",
        "server.port": 5672,
        "voxtrace.messaging.queue.name": "transcribe",
        "voxtrace.messaging.settlement": "reject",
    },
    "events": [],
}


def test_a_refusal_is_a_span(wire: Wire, seen: Seen) -> None:
    """A rejection is a CLIENT span below its message's, linked to where the message was created."""
    consume(wire, 7, traceparent=CREATION)
    wire.blocking.basic_reject(7, requeue=False)
    assert settlements(seen) == [REJECT]


@pytest.mark.parametrize(
    ("options", "settle", "names"),
    [
        ({}, lambda channel: channel.basic_ack(1), []),
        ({}, lambda channel: channel.basic_nack(1), ["nack speech:transcribe"]),
        ({}, lambda channel: channel.basic_nack(1, requeue=False), ["nack speech:transcribe"]),
        ({}, lambda channel: channel.basic_reject(1), ["reject speech:transcribe"]),
        ({"settle_spans": "all"}, lambda channel: channel.basic_ack(1), ["ack speech:transcribe"]),
        ({"settle_spans": "none"}, lambda channel: channel.basic_reject(1), []),
    ],
)
def test_which_settlements_are_spans_is_a_choice(
    wire: Wire, seen: Seen, settle: Callable[[Any], None], names: list[str]
) -> None:
    """By default all but acknowledgements."""
    consume(wire, 1)
    settle(wire.blocking)
    assert [span["name"] for span in settlements(seen)] == names


@ALL
def test_an_ack_lasts_as_long_as_pika_takes(
    wire: Wire, seen: Seen, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Span and measurement are the time of the call, and the exemplar leads to the span."""
    consume(wire, 1)
    send = wire._send_method
    monkeypatch.setattr(wire, "_send_method", lambda *args: (clock.advance(0.25), send(*args)))
    wire.blocking.basic_ack(1)
    (span,) = settlements(seen)
    assert (span["from"], span["to"]) == (0.0, 0.25)
    metrics = seen.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    (duration,) = [m for m in metrics if m.name == "messaging.client.operation.duration"]
    (point,) = duration.data.data_points
    assert (point.sum, [exemplar.span_id for exemplar in point.exemplars]) == (0.25, [span["span"]])


def test_a_settlement_is_measured(wire: Wire, seen: Seen) -> None:
    """Each call counts once, whatever it settles, under its own name."""
    consume(wire, 1, 2, 3)
    wire.blocking.basic_ack(2, multiple=True)
    wire.blocking.basic_nack(3)
    metrics = seen.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    (duration,) = [m for m in metrics if m.name == "messaging.client.operation.duration"]
    assert [
        (point.attributes["messaging.operation.name"], point.count) for point in duration.data.data_points
    ] == [
        ("ack", 1),
        ("nack", 1),
    ]


@ALL
def test_an_ack_from_a_thread_without_context_is_in_the_messages_trace(wire: Wire, seen: Seen) -> None:
    """The span's parent is the message's, whatever thread and context the call is made in."""
    consume(wire, 1, traceparent=CREATION)
    thread = threading.Thread(target=wire.channel.basic_ack, args=(1,))
    thread.start()
    thread.join()
    (span,) = settlements(seen)
    assert (span["trace"], span["parent"], span["links"]) == (9, 1, [8])


@ALL
def test_a_multiple_ack_is_one_span_linked_to_each(wire: Wire, seen: Seen) -> None:
    """One call is one span: below the last message's, with a link to each and their number."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
    for tag in (1, 2):
        headers = {"traceparent": f"00-{9:032x}-{80 + tag:016x}-01"}
        wire.deliver(pika.BasicProperties(headers=headers), delivery_tag=tag)
    wire.deliver(delivery_tag=3)
    wire.blocking.basic_ack(3, multiple=True)
    (span,) = settlements(seen)
    assert (span["parent"], span["links"]) == (3, [81, 82, 3])
    assert span["attributes"]["messaging.batch.message_count"] == 3
    assert "messaging.rabbitmq.message.delivery_tag" not in span["attributes"]


def test_a_settlement_that_pika_refuses_is_an_error(wire: Wire, seen: Seen) -> None:
    """What pika raises is on the settlement's span and measurement; the message is not settled by it."""
    consume(wire, 1, traceparent=CREATION)
    wire.failure = StreamLostError("the secret")
    with pytest.raises(StreamLostError) as raised:
        wire.blocking.basic_ack(1)
    assert raised.value is wire.failure
    (span,) = seen.spans()
    assert (span["name"], span["parent"], span["status"]) == ("ack speech:transcribe", 1, "ERROR")
    assert span["attributes"]["error.type"] == "StreamLostError"
    assert "voxtrace.messaging.settlement" not in span["attributes"]
    assert span["events"] == ["exception"]
    assert "secret" not in seen.raw[0].to_json()
    ((attributes, _),) = seen.metrics()["messaging.client.operation.duration"]
    assert attributes["error.type"] == "StreamLostError"
    wire.failure = None
    wire.blocking.basic_ack(1)
    assert seen.named("process speech:transcribe")["attributes"]["voxtrace.messaging.settlement"] == "ack"


def test_an_ack_after_the_channel_closed_is_in_the_messages_trace(wire: Wire, seen: Seen) -> None:
    """The long job that comes too late shows both: what closed the channel, and the ack that failed."""
    consume(wire, 1, traceparent=CREATION)
    wire.close(ConnectionClosedByClient(200, "bye"))
    with pytest.raises(ChannelWrongStateError):
        wire.channel.basic_ack(1)
    process, ack = seen.spans()
    assert (process["attributes"]["error.type"], process["attributes"]["voxtrace.messaging.settlement"]) == (
        "ConnectionClosedByClient",
        "channel_closed",
    )
    assert (ack["name"], ack["trace"], ack["parent"]) == ("ack speech:transcribe", 9, 1)
    assert ack["attributes"]["error.type"] == "ChannelWrongStateError"


def test_an_unsampled_message_has_no_settle_span_and_is_measured(
    wire: Wire, seen: Seen, sampler: Remembering
) -> None:
    """Of what is not kept no second span is started, and it counts all the same."""
    sampler.decides = ALWAYS_OFF
    consume(wire, 1)
    wire.blocking.basic_reject(1)
    assert [attributes["messaging.operation.name"] for attributes in sampler.asked] == ["process"]
    assert [value for _, value in seen.metrics()["messaging.client.operation.duration"]] == [0.0]


def test_a_suppressed_settlement_is_no_span_and_settles(wire: Wire, seen: Seen) -> None:
    """The message's own span was not suppressed, and is told."""
    consume(wire, 1)
    with suppress_instrumentation():
        wire.blocking.basic_reject(1, requeue=False)
    (span,) = seen.spans()
    assert span["attributes"]["voxtrace.messaging.settlement"] == "reject"


@pytest.mark.parametrize("options", [{"settle_spans": "none"}])
def test_without_settle_spans_a_failure_is_measured(wire: Wire, seen: Seen) -> None:
    """No span was wanted of any settlement."""
    consume(wire, 1)
    wire.failure = StreamLostError("gone")
    with pytest.raises(StreamLostError):
        wire.blocking.basic_ack(1)
    assert seen.spans() == []
    ((attributes, _),) = seen.metrics()["messaging.client.operation.duration"]
    assert attributes["error.type"] == "StreamLostError"


def test_a_settlement_of_an_untraced_senders_message_has_no_link(wire: Wire, seen: Seen) -> None:
    """Its parent is all there is."""
    consume(wire, 1)
    wire.blocking.basic_reject(1)
    assert [(span["parent"], span["links"]) for span in settlements(seen)] == [(1, [])]


def test_the_first_settlement_counts(wire: Wire, seen: Seen) -> None:
    """A message is settled once, whoever says what afterwards, and its span ends with its callback."""

    def work(*_args: Any) -> None:
        (delivery,) = PikaInstrumentor()._instrumentation.ledger.find(wire.channel, 1)
        delivery.settle("ack")
        delivery.settle("nack", "rejected")

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver()
    (span,) = seen.spans()
    assert (span["attributes"]["voxtrace.messaging.settlement"], span["status"]) == ("ack", "UNSET")


def test_a_settlement_of_nothing_is_nothing(wire: Wire, seen: Seen) -> None:
    """Messages that are not traced have no settlements either."""
    wire.channel.basic_nack(5)
    assert (seen.spans(), seen.metrics()) == ([], {})


def test_recovering_puts_every_message_back(wire: Wire, seen: Seen) -> None:
    """`basic_recover` settles what is unsettled on its channel: the messages come again."""
    consume(wire, 1, 2)
    wire.channel.basic_recover(requeue=True)
    assert [
        (span["attributes"]["voxtrace.messaging.settlement"], span["status"]) for span in seen.spans()
    ] == [("requeue", "UNSET")] * 2


def test_broken_telemetry_costs_no_settlement(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails of ours, pika's method is called once."""
    consume(wire, 1)
    telemetry = PikaInstrumentor()._instrumentation.telemetry
    for part in ("tracer", "operation_duration", "memory", "routes"):
        monkeypatch.setattr(telemetry, part, None)
    wire.blocking.basic_reject(1, requeue=False)
    assert len([method for method, _ in wire.sent if isinstance(method, pika.spec.Basic.Reject)]) == 1
