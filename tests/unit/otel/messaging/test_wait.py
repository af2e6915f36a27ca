"""The wait of a message is known from its headers or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from voxtrace.messaging.wait import MAX_WAIT_NS, Wait, measure

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Clock, Remembering, Seen, Wire

DELIVERED = 1_700_000_000_000_000_000
MILLISECONDS = DELIVERED // 1_000_000
SECOND = datetime.fromtimestamp(DELIVERED // 1_000_000_000, UTC)
"""As RabbitMQ tells times."""


def waited(milliseconds: int, source: str) -> Wait:
    """A wait of that length."""
    return Wait(start=DELIVERED - milliseconds * 1_000_000, end=DELIVERED, source=source, clock_skew=False)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"voxtrace-enqueued-at": MILLISECONDS - 250}, waited(250, "producer")),
        ({"timestamp_in_ms": MILLISECONDS - 100}, waited(100, "broker")),
        (
            {"voxtrace-enqueued-at": MILLISECONDS - 250, "timestamp_in_ms": MILLISECONDS - 100},
            waited(100, "broker"),
        ),
        (
            {"voxtrace-enqueued-at": MILLISECONDS - 250, "timestamp_in_ms": "soon"},
            waited(250, "producer"),
        ),
        (
            {"voxtrace-enqueued-at": MILLISECONDS + 40},
            Wait(start=DELIVERED, end=DELIVERED, source="producer", clock_skew=True),
        ),
        # Published again, with what the broker wrote into it the first time.
        (
            {"voxtrace-enqueued-at": MILLISECONDS - 250, "timestamp_in_ms": MILLISECONDS - 9000},
            waited(250, "producer"),
        ),
        ({"voxtrace-enqueued-at": True}, None),
        ({"voxtrace-enqueued-at": 0}, None),
        ({"voxtrace-enqueued-at": -(2**63)}, None),
        ({"timestamp_in_ms": 1}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_from_the_headers(headers: dict[str, Any], expected: Wait | None) -> None:
    """The broker's time goes before the producer's; what cannot be a time is no time."""
    assert measure(headers, DELIVERED) == expected


@pytest.mark.parametrize(
    ("died", "expected"),
    [
        ({"reason": "rejected", "time": SECOND}, None),
        ({"reason": "delivery_limit", "time": SECOND}, None),
        ({"reason": "rejected", "time": "soon"}, None),
        ({"reason": "rejected"}, None),
        ({"reason": "rejected", "time": SECOND - timedelta(seconds=2)}, waited(250, "producer")),
        ({"reason": "expired", "time": SECOND}, waited(250, "producer")),
        ({"reason": ["rejected"]}, waited(250, "producer")),
        ("rejected", waited(250, "producer")),
    ],
)
def test_a_message_refused_meanwhile_has_no_wait(died: object, expected: Wait | None) -> None:
    """What a consumer had in hand since it was sent did not wait all the time; an earlier refusal is over."""
    headers = {"voxtrace-enqueued-at": MILLISECONDS - 250, "x-death": [died]}
    assert measure(headers, DELIVERED) == expected


@pytest.mark.parametrize(
    ("sent", "arrived", "expected"),
    [
        (-250, -100, (-250, -100, False)),
        (-250, 0, (-250, 0, False)),
        # By the producer's clock it was sent after it was here.
        (-50, -100, (-100, -100, True)),
        (40, -100, (-100, -100, True)),
        # The clock was set back while the message waited.
        (-250, 30, (-250, 0, False)),
    ],
)
def test_the_wait_is_split_where_the_message_arrived(
    sent: int, arrived: int, expected: tuple[int, int, bool]
) -> None:
    """A message came before it was delivered, and was sent before it came."""
    start, here, skew = expected
    headers = {"voxtrace-enqueued-at": MILLISECONDS + sent}
    assert measure(headers, DELIVERED, DELIVERED + arrived * 1_000_000) == Wait(
        start=DELIVERED + start * 1_000_000,
        end=DELIVERED,
        source="producer",
        clock_skew=skew,
        arrived=DELIVERED + here * 1_000_000,
    )


def test_a_message_waits_at_the_broker_and_then_in_the_client(wire: Wire, seen: Seen, clock: Clock) -> None:
    """While a callback works, the next message waits in the client: the span says how long, and where."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    headers = {"voxtrace-enqueued-at": clock.now // 1_000_000 - 2000}
    wire.deliver(pika.BasicProperties(headers=headers, message_id="m1"), dispatch=False)
    clock.advance(0.5)
    wire.blocking._dispatch_events()
    assert seen.named("wait transcribe") == {
        "name": "wait transcribe",
        "kind": "INTERNAL",
        "trace": 1,
        "span": 2,
        "parent": 1,
        "links": [],
        "from": -2.0,
        "to": 0.5,
        "status": "UNSET",
        "attributes": {
            "messaging.message.id": "m1",
            "voxtrace.messaging.queue.name": "transcribe",
            "voxtrace.messaging.wait.source": "producer",
            "voxtrace.messaging.wait.broker": 2.0,
            "voxtrace.messaging.wait.prefetch": 0.5,
        },
        "events": [],
    }
    in_queue = {"messaging.system": "rabbitmq", "voxtrace.messaging.queue.name": "transcribe"}
    assert seen.metrics()["voxtrace.messaging.wait.prefetch.duration"] == [(in_queue, 0.5)]
    assert seen.metrics()["voxtrace.messaging.wait.duration"] == [
        ({**in_queue, "voxtrace.messaging.wait.source": "producer"}, 2.5)
    ]


@pytest.mark.parametrize("options", [{"wait_spans": False}])
def test_a_wait_may_be_measured_alone(wire: Wire, seen: Seen, clock: Clock) -> None:
    """Without its span the wait's exemplar is the message's span."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    headers = {"voxtrace-enqueued-at": clock.now // 1_000_000 - 2000}
    wire.deliver(pika.BasicProperties(headers=headers))
    assert [span["name"] for span in seen.spans()] == ["process speech:transcribe"]
    metrics = seen.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    (duration,) = [metric for metric in metrics if metric.name == "voxtrace.messaging.wait.duration"]
    (point,) = duration.data.data_points
    assert (point.sum, [exemplar.span_id for exemplar in point.exemplars]) == (2.0, [1])


def test_the_wait_of_an_unsampled_message_is_measured_alone(
    wire: Wire, seen: Seen, clock: Clock, sampler: Remembering
) -> None:
    """Of what is not kept no second span is started."""
    sampler.decides = ALWAYS_OFF
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    wire.deliver(pika.BasicProperties(headers={"voxtrace-enqueued-at": clock.now // 1_000_000 - 2000}))
    assert len(sampler.asked) == 1
    assert [value for _, value in seen.metrics()["voxtrace.messaging.wait.duration"]] == [2.0]


def test_a_clock_set_back_makes_no_negative_wait(wire: Wire, seen: Seen, clock: Clock) -> None:
    """A message that was handed over before it came, by the clock, did not wait."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    wire.deliver(dispatch=False)
    clock.advance(-1)
    wire.blocking._dispatch_events()
    assert [value for _, value in seen.metrics()["voxtrace.messaging.wait.prefetch.duration"]] == [0.0]


def test_a_redelivery_waits_in_the_client_only(wire: Wire, seen: Seen, clock: Clock) -> None:
    """Its time at the broker is unknown, that in the prefetch is measured."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    headers = {"voxtrace-enqueued-at": clock.now // 1_000_000 - 2000}
    wire.deliver(pika.BasicProperties(headers=headers), redelivered=True)
    names = {name for name in seen.metrics() if "wait" in name}
    assert names == {"voxtrace.messaging.wait.prefetch.duration"}


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from(["timestamp_in_ms", "voxtrace-enqueued-at"]), st.integers()))
def test_no_header_makes_a_wait_out_of_bounds(headers: dict[str, Any]) -> None:
    """Whatever is claimed, a wait ends at delivery, is never negative and never longer than the limit."""
    wait = measure(headers, DELIVERED)
    assert wait is None or (wait.end == DELIVERED and 0 <= wait.end - wait.start <= MAX_WAIT_NS)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.integers(MILLISECONDS - 10**10, MILLISECONDS + 10**10), st.integers(0, 2 * DELIVERED))
def test_no_time_makes_a_part_negative(sent: int, arrived: int) -> None:
    """Whatever the clocks say, both parts are at least nothing and together the whole."""
    wait = measure({"voxtrace-enqueued-at": sent}, DELIVERED, arrived)
    assert wait is None or wait.start <= (wait.arrived or 0) <= wait.end


@pytest.mark.parametrize("queue", ["amq.gen-Xyz", ""])
def test_a_made_up_queue_name_is_not_shown(wire: Wire, seen: Seen, clock: Clock, queue: str) -> None:
    """Names that the broker makes up stay out of span names and metrics."""
    wire.blocking.basic_consume(queue, lambda *_: None, auto_ack=True, consumer_tag="consumer")
    headers = {"voxtrace-enqueued-at": clock.now // 1_000_000}
    wire.deliver(pika.BasicProperties(headers=headers), exchange="", routing_key=queue)
    names = [span["name"] for span in seen.spans()]
    assert names[0] == "wait (anonymous)"
    assert "Xyz" not in "".join(names)
    assert "Xyz" not in str(seen.metrics())


def test_a_clock_ahead_is_flagged(wire: Wire, seen: Seen, clock: Clock) -> None:
    """A message from the future waited no time, and its span says why."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    headers = {"timestamp_in_ms": clock.now // 1_000_000 + 60_000}
    wire.deliver(pika.BasicProperties(headers=headers))
    span = seen.named("wait transcribe")
    assert (span["from"], span["to"]) == (0.0, 0.0)
    assert span["attributes"]["voxtrace.messaging.wait.clock_skew"] is True
    assert span["attributes"]["voxtrace.messaging.wait.source"] == "broker"
