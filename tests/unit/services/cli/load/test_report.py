"""The report: its arithmetic, its verdict, its forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit.services.cli.load.conftest import Send, plan_of
from unit.services.cli.load.test_ledger import upload_of
from voxtrace_services.cli.load.ledger import Ledger
from voxtrace_services.cli.load.pages import save
from voxtrace_services.cli.load.report import Report
from voxtrace_services.cli.load.timings import Timings


def report_of(ledger: Ledger, *, timings: Timings | None = None, interrupted: bool = False) -> Report:
    """The report of a ledger."""
    return Report(plan=plan_of(), ledger=ledger, timings=timings or Timings(), interrupted=interrupted)


@pytest.fixture(name="report")
def _report(ledger: Ledger, order: Send) -> Report:
    """Four sound uploads a second apart, of which three completed; one broken, one empty."""
    for number in range(4):
        order(number, at=100.0 + number)
    order(4, at=104.0, kind="broken", fault="broken")
    order(5, at=105.0, kind="empty", fault="empty", status=422, code="empty_file")
    for number in range(3):
        ledger.end(upload_of(number, "completed"), at=103.0 + number)
    ledger.end(upload_of(3, "failed", stage="synthesis", reason="engine_failed"), at=110.0)
    ledger.end(upload_of(4, "failed", stage="transcription", reason="audio_undecodable"), at=112.0)
    timings = Timings(asked=5, whole=4, incomplete=1)
    timings.seconds["transcribe", "queue wait"] = [1.0, 2.0]
    timings.errors["asr", "audio_undecodable"] = 1
    timings.cost["EUR"] = (0.5, 0.25)
    return report_of(ledger, timings=timings)


def test_throughput(report: Report) -> None:
    """Throughput is what completed, by the time from the first request to the last end."""
    throughput = report.throughput

    assert (throughput.seconds, throughput.uploads, throughput.audio_seconds) == (12.0, 3, 9.0)
    assert (throughput.uploads_per_second, throughput.audio_per_second) == (0.25, 0.75)
    assert throughput.real_time_factor == pytest.approx(12 / 9)
    assert (throughput.sending, throughput.offered) == (6.0, 1.0)


def test_nothing_done_has_no_rate(ledger: Ledger) -> None:
    """Where nothing was sent, nothing is divided by."""
    throughput = report_of(ledger).throughput

    assert (throughput.uploads_per_second, throughput.offered, throughput.real_time_factor) == (
        0.0,
        0.0,
        None,
    )


def test_as_a_document(report: Report) -> None:
    """Programs get every number of the report."""
    document = report.as_dict()

    assert document["verdict"] == "not as expected"
    assert document["problems"] == ["1 of sound es: failed in synthesis (engine_failed)"]
    assert {
        kind["kind"]: (kind["sent"], kind["accepted"], kind["unexpected"]) for kind in document["kinds"]
    } == {
        "sound es": (4, 4, 1),
        "broken": (1, 1, 0),
        "empty": (1, 0, 0),
        "all": (6, 5, 1),
    }
    assert document["stages"] == [
        {
            "stage": "transcribe",
            "part": "queue wait",
            "count": 2,
            "p50": 1.5,
            "p95": pytest.approx(1.95),
            "p99": pytest.approx(1.99),
        }
    ]
    assert document["traces"] == {"asked": 5, "whole": 4, "incomplete": 1, "missing": 0, "silence": None}
    assert document["errors"] == {
        "unexpected": [{"kind": "sound es", "what": "failed in synthesis (engine_failed)", "count": 1}],
        "refusals": [{"kind": "empty", "code": "empty_file", "count": 1}],
        "failures": [
            {"stage": "synthesis", "reason": "engine_failed", "kind": "sound es", "count": 1},
            {"stage": "transcription", "reason": "audio_undecodable", "kind": "broken", "count": 1},
        ],
        "spans": [{"service": "asr", "error_type": "audio_undecodable", "count": 1}],
    }
    assert document["cost"] == {"EUR": {"amount": 0.5, "on_failed_attempts": 0.25}}
    assert "clips" not in document["plan"]


def test_all_as_expected(ledger: Ledger, order: Send) -> None:
    """What should be refused and was, and what should complete and did, is a good run."""
    order(1)
    order(2, kind="empty", fault="empty", status=422, code="empty_file")
    ledger.end(upload_of(1, "completed"), at=2.0)

    assert report_of(ledger).well


def test_not_finished(ledger: Ledger, order: Send) -> None:
    """What has not ended when the waiting is over is a problem, but of who interrupts the run it is not."""
    order(1)

    assert report_of(ledger).problems == ["1 not finished when the waiting was over"]
    assert report_of(ledger, interrupted=True).well


def test_all_languages_refused(ledger: Ledger, order: Send) -> None:
    """A run in which every sound recording is refused is no run as expected."""
    order(1, status=422, code="unsupported_language")

    assert report_of(ledger).problems == ["no sound recording was accepted"]


def test_nothing_sent(ledger: Ledger) -> None:
    """A run that sent nothing did not go well."""
    assert report_of(ledger).problems == ["nothing was sent"]


@pytest.mark.parametrize(
    ("timings", "line"),
    [
        (Timings(asked=1), "Some traces are not there"),
        (Timings(asked=1, silence="No jaeger answers."), "No traces could be read. No jaeger answers."),
    ],
)
def test_missing_traces_are_told(
    ledger: Ledger, order: Send, tmp_path: Path, timings: Timings, line: str
) -> None:
    """Traces that are not there are told, and leave the verdict as it is: they may be sampled out."""
    order(1)
    ledger.end(upload_of(1, "completed"), at=2.0)
    report = report_of(ledger, timings=timings)
    save(report, tmp_path / "report.md")

    assert report.well
    assert line in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_markdown(report: Report, tmp_path: Path) -> None:
    """The report as Markdown has its verdict first, then a table for each question."""
    path = tmp_path / "report.md"
    save(report, path)
    lines = path.read_text(encoding="utf-8").splitlines()

    assert lines[2] == "Not as expected: 1 of sound es: failed in synthesis (engine_failed)."
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == [
        "Requests",
        "Throughput",
        "Stages, from the traces",
        "Not as expected",
        "Refused, as expected",
        "Given up by the pipeline",
        "Failed spans",
        "Cost",
        "Traces",
    ]
    assert "| all | 6 | 5 | 1 | 3 | 2 | 0 | 1 | 1.00/s | 500 ms | 500 ms |" in lines
    assert "| transcribe | queue wait | 2 | 1.50 s | 1.95 s | 1.99 s |" in lines
    assert "| EUR | 0.5 | 0.25 |" in lines


def test_page(report: Report, tmp_path: Path) -> None:
    """The report as a page holds the same and loads nothing."""
    path = tmp_path / "report.HTML"
    save(report, path)
    page = path.read_text(encoding="utf-8")

    assert "audio_undecodable" in page
    assert [word for word in ("http", "<script", "@import", "url(") if word in page] == []


def test_json(report: Report, tmp_path: Path) -> None:
    """The report as JSON is the document."""
    path = tmp_path / "report.json"
    save(report, path)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))

    assert found["kinds"][-1]["sent"] == 6
