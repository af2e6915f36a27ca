"""Messages that are worked on together are one process span, with a link to each of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from pika.exceptions import ChannelClosedByBroker

import voxtrace.messaging
from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from unit.otel.messaging.conftest import Clock, Seen, Wire

BATCH = "process speech:transcribe"


def message(number: int, **headers: Any) -> pika.BasicProperties:
    """A message of a trace of its own."""
    return pika.BasicProperties(
        headers={"traceparent": f"00-{90 + number:032x}-{80 + number:016x}-01", **headers},
        message_id=f"m{number}",
    )


def collect(wire: Wire, *numbers: int, **options: Any) -> list[tuple[Any, ...]]:
    """Deliver messages to a consumer that keeps what it is called with."""
    collected: list[tuple[Any, ...]] = []
    wire.blocking.basic_consume(
        "transcribe", lambda *args: collected.append(args), consumer_tag="consumer", **options
    )
    for number in numbers:
        wire.deliver(message(number), delivery_tag=number)
    return collected


def batches(seen: Seen) -> list[dict[str, Any]]:
    """The spans of batches."""
    return [span for span in seen.spans() if "messaging.batch.message_count" in span["attributes"]]


def test_a_batch_is_one_span_with_a_link_to_each_message(wire: Wire, seen: Seen, clock: Clock) -> None:
    """The messages' own spans end at the hand-over; the batch's lasts until one ack has settled all."""
    collected = collect(wire, 1, 2)
    clock.advance(1)
    with voxtrace.messaging.batch(collected) as span:
        clock.advance(2)
        assert trace.get_current_span() is span
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert batches(seen) == []
    clock.advance(4)
    wire.blocking.basic_ack(2, multiple=True)
    first, second, batch = seen.spans()
    assert [(told["span"], told["to"], told["links"]) for told in (first, second)] == [
        (1, 1.0, [81, 3]),
        (2, 1.0, [82, 3]),
    ]
    assert first["attributes"]["voxtrace.messaging.settlement"] == "batched"
    assert dict(seen.raw[0].links[1].attributes) == {"voxtrace.link.reason": "batch"}
    assert batch == {
        "name": BATCH,
        "kind": "CONSUMER",
        "trace": 1,
        "span": 3,
        "parent": None,
        "links": [81, 82],
        "from": 1.0,
        "to": 7.0,
        "status": "UNSET",
        "attributes": {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "speech:transcribe",
            "messaging.rabbitmq.destination.routing_key": "transcribe",
            "messaging.batch.message_count": 2,
            "server.address": "broker.test",
            "server.port": 5672,
            "voxtrace.messaging.queue.name": "transcribe",
            "voxtrace.messaging.settlement": "ack",
        },
        "events": [],
    }
    assert [dict(link.attributes) for link in seen.raw[2].links] == [
        {
            "messaging.message.id": f"m{number}",
            "messaging.rabbitmq.destination.routing_key": "transcribe",
            "messaging.rabbitmq.message.delivery_tag": number,
            "voxtrace.messaging.redelivered": False,
            "voxtrace.messaging.delivery.attempt": 1,
        }
        for number in (1, 2)
    ]


def test_a_batch_is_measured_once(wire: Wire, seen: Seen, clock: Clock) -> None:
    """Messages are counted as they are delivered; the time of processing is the batch's."""
    collected = collect(wire, 1, 2)
    clock.advance(1)
    with voxtrace.messaging.batch(collected):
        clock.advance(2)
    wire.blocking.basic_ack(2, multiple=True)
    metrics = seen.metrics()
    assert [value for _, value in metrics["messaging.client.consumed.messages"]] == [2]
    assert [value for _, value in metrics["messaging.process.duration"]] == [2.0]


def test_a_batch_in_the_last_messages_callback_is_no_part_of_it(wire: Wire, seen: Seen, clock: Clock) -> None:
    """The callback that completes a batch works in the batch's span, without its own message's baggage."""
    collected: list[tuple[Any, ...]] = []
    found: list[object] = []

    def work(*args: Any) -> None:
        collected.append(args)
        if len(collected) == 2:
            with voxtrace.messaging.batch(collected):
                found.extend([baggage.get_baggage("job"), baggage.get_baggage("ours")])
                clock.advance(1)
                args[0].basic_ack(2, multiple=True)
            clock.advance(1)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    token = context.attach(baggage.set_baggage("ours", "1"))
    try:
        for number in (1, 2):
            wire.deliver(message(number, baggage="job=7"), delivery_tag=number)
    finally:
        context.detach(token)
    (batch,) = batches(seen)
    assert (batch["parent"], batch["trace"], batch["to"]) == (None, 1, 1.0)
    assert found == [None, "1"]
    assert len(seen.spans()) == 3


def test_settlements_of_all_kinds_are_told(wire: Wire, seen: Seen) -> None:
    """A message that is refused makes the batch an error; how many went which way is on the span."""
    with voxtrace.messaging.batch(collect(wire, 1, 2, 3)):
        wire.blocking.basic_ack(2, multiple=True)
        wire.blocking.basic_reject(3, requeue=False)
    (batch,) = batches(seen)
    assert (batch["status"], batch["attributes"]["error.type"]) == ("ERROR", "rejected")
    assert batch["attributes"]["voxtrace.messaging.settlement"] == "mixed"
    assert batch["attributes"]["voxtrace.messaging.settlement.ack.count"] == 2
    assert batch["attributes"]["voxtrace.messaging.settlement.reject.count"] == 1
    reject = seen.named("reject speech:transcribe")
    assert (reject["parent"], reject["links"]) == (batch["span"], [83])


def test_an_exception_ends_the_batch(wire: Wire, seen: Seen) -> None:
    """It comes out as it was, and the messages go back under no span of a message's."""
    error = ValueError("the secret")
    with pytest.raises(ValueError, match="secret") as raised, voxtrace.messaging.batch(collect(wire, 1, 2)):
        raise error
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    (batch,) = batches(seen)
    assert (batch["status"], batch["attributes"]["error.type"]) == ("ERROR", "ValueError")
    assert "secret" not in seen.raw[-1].to_json()
    wire.blocking.basic_nack(0, multiple=True)
    assert len(seen.spans()) == 4


def test_a_batch_that_is_tried_again_is_another(wire: Wire, seen: Seen) -> None:
    """The second batch takes the messages over, and their settlement with them."""
    collected = collect(wire, 1, 2)
    with pytest.raises(ValueError, match="once"), voxtrace.messaging.batch(collected):
        raise ValueError("once")
    with voxtrace.messaging.batch(collected):
        wire.blocking.basic_ack(2, multiple=True)
    assert [span["attributes"].get("voxtrace.messaging.settlement") for span in batches(seen)] == [
        None,
        "ack",
    ]


def test_a_batch_that_gave_its_messages_away_ends(wire: Wire, seen: Seen) -> None:
    """What another batch took is not waited for."""
    collected = collect(wire, 1, 2)
    with voxtrace.messaging.batch(collected):
        pass
    with voxtrace.messaging.batch(collected):
        pass
    assert len(batches(seen)) == 1
    wire.blocking.basic_ack(2, multiple=True)
    assert len(batches(seen)) == 2


def test_a_lost_channel_ends_the_batch(wire: Wire, seen: Seen) -> None:
    """What was not settled in time is the batch's failure."""
    with voxtrace.messaging.batch(collect(wire, 1, 2)):
        wire.close(ChannelClosedByBroker(404, "NOT_FOUND"))
    (batch,) = batches(seen)
    assert (batch["status"], batch["attributes"]["error.type"]) == ("ERROR", "ChannelClosedByBroker")
    assert batch["attributes"]["voxtrace.messaging.settlement"] == "channel_closed"


def test_messages_may_come_as_consume_and_basic_get_give_them(wire: Wire, seen: Seen) -> None:
    """Without a channel of their own they have the one that is named; objects may hold the same."""
    pulled = [(method, properties, body) for _, method, properties, body in collect(wire, 1, 2)]
    with voxtrace.messaging.batch(iter(pulled), channel=wire.blocking):
        wire.blocking.basic_ack(2, multiple=True)
    (batch,) = batches(seen)
    assert (batch["links"], batch["attributes"]["voxtrace.messaging.settlement"]) == ([81, 82], "ack")
    held = SimpleNamespace(
        channel=wire.blocking, method=pika.spec.Basic.Deliver("c", 9, False, "", "q"), properties=message(3)
    )
    with voxtrace.messaging.batch([held]):
        pass
    assert seen.named("process q")["links"] == [83]


def test_messages_without_acks_are_linked_as_well(wire: Wire, seen: Seen) -> None:
    """With auto_ack the batch ends with its block."""
    with voxtrace.messaging.batch(collect(wire, 1, 2, auto_ack=True)):
        pass
    (batch,) = batches(seen)
    assert batch["links"] == [81, 82]
    assert "voxtrace.messaging.settlement" not in batch["attributes"]


def test_messages_of_several_keys_are_named_by_their_queue(wire: Wire, seen: Seen) -> None:
    """A topic's messages have one queue in common; those of several queues have no name."""
    collected = collect(wire)
    wire.deliver(message(1), delivery_tag=1, routing_key="job.1")
    wire.deliver(message(2), delivery_tag=2, routing_key="job.2")
    with voxtrace.messaging.batch(collected):
        wire.blocking.basic_ack(2, multiple=True)
    (batch,) = batches(seen)
    assert (batch["name"], batch["attributes"]["messaging.destination.name"]) == (
        "process transcribe",
        "transcribe",
    )
    other: list[tuple[Any, ...]] = []
    wire.blocking.basic_consume("audit", lambda *args: other.append(args), consumer_tag="audit")
    wire.deliver(message(3), delivery_tag=3)
    wire.deliver(message(4), delivery_tag=4, consumer_tag="audit", routing_key="audit")
    with voxtrace.messaging.batch([*collected[2:], *other]):
        wire.blocking.basic_ack(4, multiple=True)
    assert batches(seen)[1]["name"] == "process"
    assert "messaging.destination.name" not in batches(seen)[1]["attributes"]


def test_the_surrounding_span_is_linked(wire: Wire, seen: Seen, provider: TracerProvider) -> None:
    """A loop's span is no parent of every batch in it, as it is none of every message."""
    collected = collect(wire, 1)
    with provider.get_tracer("test").start_as_current_span("loop"), voxtrace.messaging.batch(collected):
        wire.blocking.basic_ack(1)
    (batch,) = batches(seen)
    assert (batch["parent"], batch["links"]) == (None, [81, 2])


def test_a_message_whose_callback_raised_may_be_batched(
    wire: Wire, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own span is over and stays as it was; its settlement is the batch's, or nobody's."""
    collected: list[tuple[Any, ...]] = []

    def fail(*args: Any) -> None:
        collected.append(args)
        raise ValueError

    wire.blocking.basic_consume("transcribe", fail, consumer_tag="consumer")
    for number in (1, 2):
        with pytest.raises(ValueError):  # noqa: PT011 - our own
            wire.deliver(message(number), delivery_tag=number)
    with voxtrace.messaging.batch(collected[:1]):
        wire.blocking.basic_ack(2, multiple=True)
    assert [
        (span["status"], span["attributes"].get("voxtrace.messaging.settlement")) for span in seen.spans()
    ] == [
        ("ERROR", None),
        ("ERROR", None),
        ("UNSET", "ack"),
    ]
    assert caplog.records == []


def test_a_suppressed_batch_is_left_alone(wire: Wire, seen: Seen) -> None:
    """Under suppression there is no span, and the messages keep theirs."""
    collected = collect(wire, 1)
    with suppress_instrumentation(), voxtrace.messaging.batch(collected) as span:
        assert span.is_recording() is False
    wire.blocking.basic_ack(1)
    assert [told["attributes"]["voxtrace.messaging.settlement"] for told in seen.spans()] == ["ack"]


@pytest.mark.parametrize("options", [{"untrusted_queues": ["transcribe"]}])
def test_a_strangers_message_tells_nothing_of_itself(wire: Wire, seen: Seen) -> None:
    """Of an untrusted queue's messages the links say what the broker says."""
    collected = collect(wire)
    wire.deliver(message(1, **{"x-attempt": 40}), delivery_tag=1)
    with voxtrace.messaging.batch(collected):
        wire.blocking.basic_ack(1)
    (link,) = seen.raw[-1].links
    assert link.attributes["voxtrace.messaging.delivery.attempt"] == 1


def test_without_instrumentation_a_batch_is_nothing(wire: Wire, seen: Seen) -> None:
    """The block runs, and the context stays as it is."""
    collected = collect(wire, 1, auto_ack=True)
    PikaInstrumentor().uninstrument()
    ended = len(seen.spans())
    before = context.get_current()
    with voxtrace.messaging.batch(collected) as span:
        assert span.is_recording() is False
        assert context.get_current() is before
    assert len(seen.spans()) == ended


@pytest.mark.parametrize("items", [[], [7], [()], [(1, 2, 3)], [None]])
def test_what_is_no_message_costs_no_work(wire: Wire, seen: Seen, items: list[Any]) -> None:
    """The block runs once whatever is handed in."""
    runs: list[int] = []
    with voxtrace.messaging.batch(items):
        runs.append(1)
    assert (runs, seen.spans()) == ([1], [])


def test_an_error_of_the_callers_iterable_is_the_callers() -> None:
    """What reading the messages raises is not swallowed."""

    def broken() -> Any:
        yield from ()
        raise LookupError

    with pytest.raises(LookupError), voxtrace.messaging.batch(broken()):
        pass
