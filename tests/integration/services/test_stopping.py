"""How workers end: told to, or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from integration.services.workers import Site, until
from voxtrace_services.core.messages import TranscribeRequest

REQUEST = TranscribeRequest(job_id="job", audio="job/audio", target_language="es").outgoing("transcribe")

QUIET = {f"OTEL_{kind}_EXPORTER": "none" for kind in ("TRACES", "METRICS", "LOGS")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_worker_stops(site: Site, number: signal.Signals) -> None:
    """An idle worker that is told to stop exits at once, with status 0."""
    worker = site.start("asr", asr_engine="null")
    started = time.monotonic()
    worker.send(number)
    assert worker.wait() == 0
    assert time.monotonic() - started < 10
    assert worker.lines()[-1]["event"] == "service stopped"


def test_work_is_finished(site: Site) -> None:
    """A worker told to stop finishes its work first: the result is out and the delivery gone."""
    worker = site.start("asr", asr_engine="null", null_engine_seconds="2")
    site.store.write("job/audio", b"sound")
    site.send(REQUEST)
    until(lambda: site.waiting("transcribe") == 0)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert json.loads(site.take("translate")[1])["job_id"] == "job"
    assert site.waiting("transcribe") == 0


def test_work_is_given_back(site: Site) -> None:
    """A worker whose work outlives the grace gives it back and exits with status 0 at once."""
    worker = site.start("asr", asr_engine="null", null_engine_seconds="60", shutdown_grace_seconds="0.5")
    site.store.write("job/audio", b"sound")
    site.send(REQUEST)
    until(lambda: site.waiting("transcribe") == 0)
    worker.send(signal.SIGTERM)
    assert worker.wait(15) == 0
    until(lambda: site.waiting("transcribe") == 1)
    assert not site.store.exists("job/transcript.json")


def test_killed_worker_loses_nothing(site: Site) -> None:
    """What a killed worker was at is done by the next one, once."""
    worker = site.start("asr", asr_engine="null", null_engine_seconds="60")
    site.store.write("job/audio", b"sound")
    site.send(REQUEST)
    until(lambda: site.waiting("transcribe") == 0)
    worker.send(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL
    site.start("asr", asr_engine="null")
    assert json.loads(site.take("translate")[1])["job_id"] == "job"
    assert site.waiting("translate") == site.waiting("transcribe") == site.waiting("speech.dead") == 0


def test_failing_start() -> None:
    """A service that cannot start says why in one line of JSON, and exits with status 1."""
    command = "from voxtrace_services.core.bootstrap import run; raise SystemExit(run('asr', 'json:nothing'))"
    done = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        check=False,
        env={**os.environ, **QUIET},
        timeout=60,
    )
    assert done.returncode == 1
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["event"], line["level"], line["service"]) == ("service failed", "error", "asr")
    assert line["exception"].endswith("\nAttributeError")
    assert line["detail"].startswith("AttributeError: set VOXTRACE_EXCEPTION_MESSAGES=true")


def test_stop_without_a_collector(site: Site) -> None:
    """Spans that nobody takes do not hold up a stop beyond the flush's bound."""
    otlp = {f"OTEL_{kind}_EXPORTER": "otlp" for kind in ("TRACES", "METRICS", "LOGS")}
    site.environment = {**otlp, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    worker = site.start("asr", asr_engine="null")
    site.store.write("job/audio", b"sound")
    site.send(REQUEST)
    site.take("translate")
    started = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert time.monotonic() - started < 20


def test_failing_start_with_a_long_stack(tmp_path: Path) -> None:
    """One line of JSON is all there is to read even where the stack is longer than what is exported."""
    command = "from voxtrace_services.core.bootstrap import run; raise SystemExit(run('asr', 'deep:run'))"
    (tmp_path / "deep.py").write_text(
        "def run(left, depth=60):\n"
        "    if not depth:\n"
        "        {}[left]\n"
        "    (run if depth % 2 else again)(left, depth - 1)\n"
        "def again(left, depth):\n"
        "    run(left, depth)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        check=False,
        env={**os.environ, **QUIET, "PYTHONPATH": str(tmp_path)},
        timeout=60,
    )
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["event"], line["detail"][:8]) == ("service failed", "KeyError")
