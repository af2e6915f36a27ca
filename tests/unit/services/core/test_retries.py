"""The retry policy beyond what the broker contract shows."""

from __future__ import annotations

import logging

import pytest

from voxtrace_services.core.broker import Delivery
from voxtrace_services.core.retries import RetryPolicy


def failing(text: str) -> object:
    """A handler whose exception quotes what was said."""

    def handle(_delivery: Delivery) -> list[object]:
        raise ValueError(text)

    return handle


DELIVERY = Delivery(
    body=b"{}", routing_key="transcribe", queue="transcribe", message_id="m", correlation_id="j", attempt=1
)


def test_no_retries() -> None:
    """Without delays the first failure is the last."""
    results = RetryPolicy(()).process(DELIVERY, failing("no"))
    assert [(result.exchange, result.routing_key) for result in results] == [
        ("speech.dead", "transcribe"),
        ("speech", "events"),
    ]


@pytest.mark.parametrize(
    ("attempt", "exchange"), [(1, "speech.retry.0.5s"), (2, "speech.retry.3s"), (3, "speech.dead")]
)
def test_delays_in_turn(attempt: int, exchange: str) -> None:
    """Each attempt has its delay, and after the last comes death."""
    delivery = Delivery(body=b"{}", routing_key="transcribe", queue="transcribe", attempt=attempt)
    results = RetryPolicy((0.5, 3.0)).process(delivery, failing("no"))
    assert results[0].exchange == exchange


def test_stale_headers_go() -> None:
    """A copy carries its latest failure alone, and none of the broker's own notes."""
    stale = {
        "x-attempt": 1,
        "x-exception-type": "OldError",
        "x-reason": "old",
        "x-death": [{"count": 1}],
        "x-first-death-queue": "q",
        "x-delivery-count": 3,
        "traceparent": "00-1-2-01",
    }
    delivery = Delivery(body=b"{}", routing_key="transcribe", queue="transcribe", headers=stale)
    [copy] = RetryPolicy((1.0,)).process(delivery, failing("no"))
    assert copy.headers == {
        "x-attempt": 2,
        "x-exception-type": "ValueError",
        "x-exception-message": "no",
        "traceparent": "00-1-2-01",
    }


def test_messages_are_cut() -> None:
    """However long an exception's message, it fits a header."""
    [copy] = RetryPolicy((1.0,)).process(DELIVERY, failing("x" * 100_000))
    assert len(copy.headers["x-exception-message"]) == 500


def test_log_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the type and place of a failure, never its message: it may quote what was said."""
    with caplog.at_level(logging.INFO):
        RetryPolicy(()).process(DELIVERY, failing("what was said"))
    [record] = caplog.records
    assert "what was said" not in str(vars(record))
    assert vars(record)["error_type"] == "ValueError"
    assert vars(record)["where"].startswith("failing.<locals>.handle:")
    assert vars(record)["reason"] == "attempts_exhausted"
