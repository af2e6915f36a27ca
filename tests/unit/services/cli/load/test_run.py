"""Following the uploads, and a sender that fails."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from unit.services.cli.load.conftest import Send, plan_of
from voxtrace_services.cli.errors import TrafficError
from voxtrace_services.cli.gateway import Gateway
from voxtrace_services.cli.load.ledger import Ledger
from voxtrace_services.cli.load.live import Display
from voxtrace_services.cli.load.run import Run


def run_of(url: str, ledger: Ledger, **plan: Any) -> Run:
    """A run on a gateway, with a ledger that may hold something already."""
    return Run(
        plan=plan_of(gateway=url, **plan),
        gateway=Gateway(url=url),
        backends=(),
        progress=Console(file=io.StringIO()),
        settle_seconds=0.0,
        trace_seconds=0.0,
        ledger=ledger,
    )


def test_uploads_are_followed(serve: Callable[..., str], ledger: Ledger, order: Send) -> None:
    """The list tells who has completed; who failed, and who is no longer in the list, is asked for singly."""
    for number in range(4):
        order(number)
    url = serve(
        {
            "GET /v1/uploads": (
                200,
                {
                    "uploads": [
                        {"id": "upload-0", "state": "completed"},
                        {"id": "upload-1", "state": "failed"},
                        {"id": "upload-2", "state": "running"},
                        {"id": "of-somebody-else", "state": "completed"},
                    ]
                },
            ),
            "GET /v1/uploads/upload-1": (
                200,
                {"id": "upload-1", "state": "failed", "failure": {"stage": "synthesis", "reason": "why"}},
            ),
            "GET /v1/uploads/upload-3": (200, {"id": "upload-3", "state": "completed"}),
        }
    )
    run_of(url, ledger)._poll()

    assert [(entry.state, entry.stage, entry.reason) for entry in ledger.entries.values()] == [
        ("completed", None, None),
        ("failed", "synthesis", "why"),
        (None, None, None),
        ("completed", None, None),
    ]


def test_a_gateway_that_is_away(dead_url: str, ledger: Ledger, order: Send) -> None:
    """A gateway that does not answer ends nothing: what has not ended when the waiting is over is told."""
    order(1)
    run = run_of(dead_url, ledger)

    assert run._settle(Display(run.progress, ledger)) is False
    assert ledger.unfinished() == ["upload-1"]


def test_a_sender_that_fails(dead_url: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the process that sends fails, its status and its last words are told."""
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(TrafficError, match="ended with status 1: it said nothing"):
        run_of(dead_url, ledger).report()


def test_nobody_to_send_to(dead_url: str, ledger: Ledger) -> None:
    """Each request that nobody answers is told as such, and the run ends."""
    report = run_of(
        dead_url, ledger, uploads=3, rate=100.0, sizes={}, languages={"es": 1.0}, faults={"empty": 1.0}
    ).report()

    assert report.problems == ["3 of empty: no answer (ConnectionRefusedError)"]


def test_lines_where_there_is_no_terminal(
    ledger: Ledger, order: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a pipe a line tells how it goes, now and then."""
    now = [100.0]
    monkeypatch.setattr("voxtrace_services.cli.load.live.time.monotonic", lambda: now[0])
    buffer = io.StringIO()
    order(1)
    order(2, kind="empty", fault="empty", status=422, code="empty_file")
    with Display(Console(file=buffer), ledger) as display:
        for _ in range(12):
            display.tick()
            now[0] += 1.0

    assert buffer.getvalue().splitlines() == [
        f"{seconds} sending: 2 sent, 1 accepted, 1 refused as expected, 0 completed, 0 failed, 1 in flight, "
        "0 unexpected, p50 500 ms, p95 500 ms"
        for seconds in ("5.00 s", "10.0 s")
    ]


def test_a_table_on_a_terminal(ledger: Ledger, order: Send) -> None:
    """On a terminal a table tells how it goes, kind by kind, and leaves when the run ends."""
    order(1)
    buffer = io.StringIO()
    console = Console(file=buffer, force_terminal=True, width=140, _environ={"TERM": "xterm"})
    with Display(console, ledger) as display:
        display.doing = "waiting"
        display.tick()

    assert "sound es" in buffer.getvalue()
    assert "unexpected" in buffer.getvalue()
    assert "\x1b[2K" in buffer.getvalue()
