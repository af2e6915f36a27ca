"""Load on the real pipeline: the report is what happened."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import pytest

from integration.load.command import Load, states
from integration.native.waiting import eventually
from voxtrace_services.native import Stack

_FAULTS = "broken=0.1,duplicate=0.05,empty=0.05,oversized=0.05,truncated=0.05,wrong-type=0.05"
_FAST = ("--rate", "20", "--users", "4", "--mix", "short", "--traces", "60s")


def test_the_report_is_what_happened(load: Load, stack: Stack, tmp_path: Path) -> None:
    """Of twenty uploads with known faults each ends as it should, and the report says so stage by stage."""
    before = states(stack)
    page = tmp_path / "report.md"
    languages = ("--to", "es=12,tlh=1")
    code, report = load("--uploads", "20", *_FAST, *languages, "--faults", _FAULTS, "--report", str(page))

    assert (code, report["verdict"], report["problems"]) == (0, "as expected", [])
    counts = {
        kind["kind"]: tuple(kind[name] for name in ("sent", "accepted", "refused", "completed", "failed"))
        for kind in report["kinds"]
    }
    assert counts == {
        "sound es": (12, 12, 0, 12, 0),
        "sound tlh": (1, 0, 1, 0, 0),
        "broken": (2, 2, 0, 0, 2),
        "duplicate": (1, 1, 0, 1, 0),
        "empty": (1, 0, 1, 0, 0),
        "oversized": (1, 0, 1, 0, 0),
        "truncated": (1, 0, 1, 0, 0),
        "wrong-type": (1, 0, 1, 0, 0),
        "all": (20, 15, 5, 13, 2),
    }
    # The gateway's own word: the duplicate is one upload, what was refused is none.
    assert states(stack) - before == {"completed": 13, "failed": 2}
    assert report["errors"]["failures"] == [
        {"stage": "transcription", "reason": "audio_undecodable", "kind": "broken", "count": 2}
    ]
    assert {refusal["code"] for refusal in report["errors"]["refusals"]} == {
        "empty_file",
        "hung_up",
        "unsupported_language",
        "unsupported_media",
        "upload_too_large",
    }
    assert report["traces"] == {"asked": 15, "whole": 15, "incomplete": 0, "missing": 0, "silence": None}
    assert {(stage["stage"], stage["part"]): stage["count"] for stage in report["stages"]} == {
        ("gateway", "request"): 15,
        ("gateway", "outbox wait"): 15,
        ("transcribe", "queue wait"): 15,
        ("transcribe", "process"): 15,
        ("translate", "queue wait"): 13,
        ("translate", "process"): 13,
        ("synthesize", "queue wait"): 13,
        ("synthesize", "process"): 13,
        ("events", "queue wait"): 15,
        ("events", "process"): 15,
        ("upload", "end to end"): 15,
    }
    assert all(0 <= stage["p50"] <= stage["p95"] <= stage["p99"] for stage in report["stages"])
    assert report["throughput"]["audio_seconds"] == pytest.approx(39.0, abs=1.0)
    # Twelve and the duplicate: of what is broken no engine had work.
    assert report["cost"] == {"EUR": {"amount": 6.5, "on_failed_attempts": 0.0}}
    assert page.read_text().splitlines()[2] == "Everything went as expected."


def test_ctrl_c(load: Load, stack: Stack) -> None:
    """Interrupted, the command stops sending at once, says what is known, and leaves no process behind."""
    before = states(stack).total()
    with load.started("--rate", "5", "--mix", "short", "--for", "5m") as process:
        eventually(lambda: _require(states(stack).total() > before))
        family = psutil.Process(process.pid).children(recursive=True)
        lines = [" ".join(one.cmdline()) for one in family]
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)

    report = json.loads(output)
    assert (process.returncode, report["interrupted"], report["verdict"]) == (130, True, "as expected")
    assert report["kinds"][-1]["sent"] >= 1
    assert any("voxtrace_services.cli.load.traffic" in line for line in lines)
    assert psutil.wait_procs(family, timeout=10)[1] == []


def _require(holds: bool) -> None:
    assert holds


def test_a_gateway_that_dies(load: Load, stack: Stack) -> None:
    """What nobody answers is told as such, and the exit code says that it should not have been so."""
    before = states(stack).total()
    faults = ("--faults", "wrong-type=0.9", "--settle", "0s", "--traces", "0s")
    with load.started("--rate", "10", "--mix", "short", "--uploads", "60", *faults) as process:
        eventually(lambda: _require(states(stack).total() > before))
        stack.kill("gateway", signal.SIGKILL)
        output, _ = process.communicate(timeout=120)
    stack.restart("gateway")

    report = json.loads(output)
    assert (process.returncode, report["verdict"]) == (1, "not as expected")
    assert "no answer (ConnectionRefusedError)" in {one["what"] for one in report["errors"]["unexpected"]}
    assert report["kinds"][-1]["sent"] == 60


def test_a_gateway_that_is_not_there(tmp_path: Path) -> None:
    """A stopped gateway is one line and an exit code of its own, before anything is sent."""
    load = Load(gateway="http://127.0.0.1:9", console="http://127.0.0.1:9", folder=tmp_path)
    with load.started() as process:
        output, said = process.communicate(timeout=60)

    assert (process.returncode, output) == (4, "")
    assert said == (
        "voxtrace: No gateway answers at http://127.0.0.1:9. Start the platform with: voxtrace up\n"
    )
