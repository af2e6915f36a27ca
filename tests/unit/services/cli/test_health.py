"""The table of all services' checks."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from voxtrace_services.cli.app import app
from voxtrace_services.cli.errors import CommandError, StackError
from voxtrace_services.cli.health import Examination, health_table
from voxtrace_services.cli.record import ProcessRecord, Record

Serve = Callable[[Mapping[str, tuple[int, Any]]], str]

REPORT = {
    "service": "asr",
    "status": "failing",
    "uptime_seconds": 75.0,
    "resources": {
        "cpu_percent": 12.3,
        "memory_rss_bytes": 252_000_000,
        "open_files": 14,
        "disk_free_bytes": 71_300_000_000,
    },
    "checks": {
        "broker": {"status": "ok", "age_seconds": 0.003},
        "disk": {
            "status": "failing",
            "message": "nearly full",
            "details": {"free_bytes": 5_000_000, "mount": "/data"},
            "age_seconds": 75.0,
        },
        "engine": {"status": "pending", "message": "no result yet"},
    },
}


@pytest.fixture(name="stack")
def _stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say which processes a stack has, by name and health address; all are this process."""
    monkeypatch.setenv("VOXTRACE_DATA_DIR", str(tmp_path))

    def write(**health: str) -> None:
        processes = tuple(ProcessRecord.of(name, os.getpid(), health=url) for name, url in health.items())
        Record(holder=ProcessRecord.of("up", os.getpid()), state="ready", processes=processes).write(tmp_path)

    return write


def test_the_table() -> None:
    """A service has a line with what it takes of the machine, and one for each check with what it says."""
    console = Console(width=120, file=io.StringIO())
    console.print(
        health_table(
            [
                Examination(name="asr", health="failing: disk, engine", report=REPORT),
                Examination(name="jaeger", health="no answer", report=None),
            ]
        )
    )
    assert isinstance(console.file, io.StringIO)
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    assert lines[2:] == [
        "asr failing up 1 min 15 s, CPU 12 %, memory 252 MB, 14 files open, 71.3 GB free",
        "broker ok 3.0 ms",
        "disk failing nearly full: free_bytes 5 MB, mount /data 1 min 15 s",
        "engine pending no result yet -",
        "jaeger no answer",
    ]


def test_all_well(serve: Serve, stack: Callable[..., None]) -> None:
    """With everything well the exit code is 0, and JSON has each service's own report."""
    well = {"status": "ok", "checks": {"broker": {"status": "ok"}}}
    url = serve({"GET /health": (200, well), "GET /-/ready": (200, b"Prometheus is Ready.")})
    stack(asr=f"{url}/health", prometheus=f"{url}/-/ready")
    table = CliRunner().invoke(app, ["health"])
    answer = CliRunner().invoke(app, ["health", "--json"])
    assert (table.exit_code, answer.exit_code) == (0, 0)
    assert json.loads(answer.stdout)["services"] == [
        {"name": "asr", "health": "ok", "report": well},
        {"name": "prometheus", "health": "ok", "report": None},
    ]


def test_something_fails(serve: Serve, stack: Callable[..., None], dead_url: str) -> None:
    """With something failing the exit code is 1, and one line names it."""
    url = serve({"GET /health": (503, REPORT)})
    stack(asr=f"{url}/health", jaeger=f"{dead_url}/status")
    answer = CliRunner().invoke(app, ["health"])
    assert isinstance(answer.exception, CommandError)
    assert answer.exception.exit_code == 1
    assert str(answer.exception).startswith("Not well: asr (failing: disk, engine), jaeger (no answer). See ")


def test_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing up, the line says how to start it."""
    monkeypatch.setenv("VOXTRACE_DATA_DIR", str(tmp_path))
    answer = CliRunner().invoke(app, ["health"])
    assert isinstance(answer.exception, StackError)
    assert "voxtrace up" in str(answer.exception)
