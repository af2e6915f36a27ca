"""The platform with Collector, Jaeger and Prometheus, as `voxtrace up --full` starts it."""

from __future__ import annotations

import json

import httpx
import pytest

from integration.cli.command import NULL_ENGINES, Voxtrace
from integration.native.waiting import eventually
from voxtrace_services.cli.recording import default_recording
from voxtrace_services.cli.trace import Trace

PROCESSES = (
    "epmd",
    "rabbitmq",
    "console",
    "alertmanager",
    "prometheus",
    "jaeger",
    "collector",
    "asr",
    "translation",
    "synthesis",
    "gateway",
)
NOWHERE = "http://127.0.0.1:9"


# Each command is a process of its own, and waits as long as a slow machine needs.
@pytest.mark.timeout(900)
def test_full_platform(voxtrace: Voxtrace) -> None:
    """All eleven processes are well, Jaeger finds a trace by either id, and nothing outlives down."""
    up = voxtrace("up", "--full", **NULL_ENGINES)
    assert up.returncode == 0, up.stderr
    status = voxtrace("status", "--json")
    assert status.returncode == 0, status.stderr
    report = json.loads(status.stdout)
    assert (report["state"], report["full"]) == ("ready", True)
    assert {process["name"]: process["health"] for process in report["processes"]} == dict.fromkeys(
        PROCESSES, "ok"
    )

    uploaded = voxtrace("upload", str(default_recording()), "--to", "es", "--wait", "--json")
    assert uploaded.returncode == 0, uploaded.stderr
    upload = json.loads(uploaded.stdout)
    assert upload["state"] == "completed"

    def found_by_trace_id() -> None:
        trace = voxtrace("trace", upload["trace_id"], "--from", "jaeger", "--json")
        assert trace.returncode == 0, trace.stderr
        spans = Trace.from_otlp(json.loads(trace.stdout), upload["trace_id"]).spans
        assert {span.service for span in spans} == {"gateway", "asr", "translation", "synthesis"}

    eventually(found_by_trace_id)
    # The gateway cannot be asked whose upload it is, so Jaeger is searched.
    by_search = voxtrace("trace", upload["id"], "--from", "jaeger", "--gateway", NOWHERE)
    assert by_search.returncode == 0, by_search.stderr
    assert f"Trace {upload['trace_id']} " in by_search.stdout
    # The console has the trace too: it is not asked.
    assert voxtrace("trace", upload["trace_id"], "--from", "jaeger", "--jaeger", NOWHERE).returncode == 4

    demo = voxtrace("demo")
    assert demo.returncode == 0, demo.stderr
    (address,) = [line.split()[-1] for line in demo.stdout.splitlines() if line.startswith("This trace")]
    jaeger = dict(line.split() for line in up.stdout.splitlines())["jaeger"]
    assert address == f"{jaeger}/api/v3/traces/{demo.stdout.split()[-1]}"

    def answers() -> None:
        answer = httpx.get(address, timeout=15, trust_env=False)
        assert answer.status_code == 200
        assert answer.json()["result"]["resourceSpans"]

    eventually(answers)
    down = voxtrace("down")
    assert (down.returncode, down.stdout) == (0, "The platform is down.\n")
    assert voxtrace.left_behind() == []
