"""The wait of a message is known from its headers or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtrace.messaging.wait import MAX_WAIT_NS, Wait, measure

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Clock, Seen, Wire

DELIVERED = 1_700_000_000_000_000_000
MILLISECONDS = DELIVERED // 1_000_000


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
        ({"voxtrace-enqueued-at": True}, None),
        ({"voxtrace-enqueued-at": 0}, None),
        ({"voxtrace-enqueued-at": -(2**63)}, None),
        ({"timestamp_in_ms": 1}, None),
        ({}, None),
        (None, None),
        ("headers", None),
    ],
)
def test_the_wait_is_read_from_the_headers(headers: object, expected: Wait | None) -> None:
    """The broker's time goes before the producer's; what cannot be a time is no time."""
    assert measure(headers, DELIVERED) == expected


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from(["timestamp_in_ms", "voxtrace-enqueued-at"]), st.integers()))
def test_no_header_makes_a_wait_out_of_bounds(headers: dict[str, Any]) -> None:
    """Whatever is claimed, a wait ends at delivery, is never negative and never longer than the limit."""
    wait = measure(headers, DELIVERED)
    assert wait is None or (wait.end == DELIVERED and 0 <= wait.end - wait.start <= MAX_WAIT_NS)


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
