"""What became of an order, and whether it should have."""

from __future__ import annotations

from typing import Any

import pytest

from unit.services.cli.load.conftest import Send
from voxtrace_services.cli.gateway import Upload
from voxtrace_services.cli.load.ledger import Ledger, Tally, tallies


def upload_of(number: int, state: str, **failure: str) -> Upload:
    """An upload as the gateway tells it."""
    return Upload.from_json({"id": f"upload-{number}", "state": state, "failure": failure or None})


@pytest.mark.parametrize(
    ("fault", "answer", "surprise"),
    [
        ("sound", {}, None),
        ("sound", {"status": 422, "code": "unsupported_language"}, None),
        ("sound", {"status": 503, "code": "database_unavailable"}, "HTTP 503 (database_unavailable)"),
        ("sound", {"status": 502}, "HTTP 502"),
        ("sound", {"status": None, "code": "ConnectionRefusedError"}, "no answer (ConnectionRefusedError)"),
        ("sound", {"status": 202, "ids": []}, "HTTP 202"),
        ("duplicate", {}, None),
        ("duplicate", {"ids": ["one", "two"]}, "became two uploads"),
        ("empty", {"status": 422, "code": "empty_file"}, None),
        ("empty", {"status": 422, "code": "unsupported_language"}, "HTTP 422 (unsupported_language)"),
        ("empty", {}, "was accepted"),
        ("oversized", {"status": 413, "code": "upload_too_large"}, None),
        ("wrong-type", {"status": 415, "code": "unsupported_media"}, None),
        ("truncated", {"status": None, "code": "hung_up"}, None),
        ("truncated", {"status": 400, "code": "upload_interrupted"}, None),
        ("broken", {"status": 415, "code": "unsupported_media"}, "HTTP 415 (unsupported_media)"),
    ],
)
def test_answers(
    ledger: Ledger, order: Send, fault: str, answer: dict[str, Any], surprise: str | None
) -> None:
    """Each fault has the answers that it should get; any other is a surprise."""
    order(1, fault=fault, **answer)

    assert ledger.entries[1].surprise == surprise


@pytest.mark.parametrize(
    ("fault", "state", "surprise"),
    [
        ("sound", "completed", None),
        ("sound", "failed", "failed in translation (engine_failed)"),
        ("broken", "failed", None),
        ("broken", "completed", "completed"),
        ("duplicate", "completed", None),
    ],
)
def test_ends(ledger: Ledger, order: Send, fault: str, state: str, surprise: str | None) -> None:
    """Sound speech should be completed, and what is broken be given up."""
    order(1, fault=fault)
    failure = {"stage": "translation", "reason": "engine_failed"} if state == "failed" else {}
    ledger.end(upload_of(1, state, **failure), at=2.0)

    assert ledger.entries[1].surprise == surprise
    assert ledger.unfinished() == []


def test_only_an_end_is_an_end(ledger: Ledger, order: Send) -> None:
    """An upload that runs, one of somebody else, and a second end change nothing."""
    order(1)
    ledger.end(upload_of(1, "running"), at=1.0)
    ledger.end(upload_of(9, "completed"), at=1.0)
    assert ledger.unfinished() == ["upload-1"]
    ledger.end(upload_of(1, "completed"), at=2.0)
    ledger.end(upload_of(1, "failed"), at=3.0)

    assert (ledger.entries[1].state, ledger.entries[1].ended_at) == ("completed", 2.0)


def test_counts(ledger: Ledger, order: Send) -> None:
    """Each kind is counted by itself, and all together last."""
    order(1)
    order(2)
    order(3, answered=False)
    order(4, kind="empty", fault="empty", status=422, code="empty_file")
    order(5, kind="empty", fault="empty")
    ledger.end(upload_of(1, "completed"), at=2.0)
    ledger.end(upload_of(2, "failed"), at=2.0)

    assert tallies(ledger) == [
        Tally(
            kind="sound es",
            sent=3,
            accepted=2,
            refused=0,
            completed=1,
            failed=1,
            in_flight=1,
            unexpected=1,
            request_seconds=(0.5, 0.5),
        ),
        Tally(
            kind="empty",
            sent=2,
            accepted=1,
            refused=1,
            completed=0,
            failed=0,
            in_flight=1,
            unexpected=1,
            request_seconds=(0.5, 0.5),
        ),
        Tally(
            kind="all",
            sent=5,
            accepted=3,
            refused=1,
            completed=1,
            failed=1,
            in_flight=2,
            unexpected=2,
            request_seconds=(0.5, 0.5, 0.5, 0.5),
        ),
    ]
