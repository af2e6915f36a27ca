"""SIGKILL in the middle of a job: the job completes, once, in one connected trace."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e.evidence import ready, send, until, whole
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native.ports import Ports
from voxtrace_services.native.stack import Stack

HERE = Path(__file__).parent
SECONDS = "3"


@pytest.fixture(name="states")
def _states(tmp_path: Path) -> Path:
    """Folder in which the slowed engines say that they are at work."""
    states = tmp_path / "states"
    states.mkdir()
    return states


@pytest.fixture(name="slow")
def _slow(tmp_path: Path, states: Path) -> Iterator[Stack]:
    """The pipeline with real engines, of which two take their time."""
    engines = tmp_path / "engines"
    engines.mkdir()
    apertium, espeak = shutil.which("apertium"), shutil.which("espeak-ng")
    assert apertium is not None
    assert espeak is not None
    shutil.copy(HERE / "slow-apertium", engines / "apertium")
    shutil.copy(HERE / "espeak-ng", engines / "espeak-ng")
    slowed = {
        "PATH": f"{engines}:/usr/local/bin:/usr/bin:/bin",
        "E2E_APERTIUM": apertium,
        "E2E_ESPEAK": espeak,
        "E2E_STATE": str(states),
        "E2E_SECONDS": SECONDS,
    }
    environment = {"translation": slowed, "synthesis": slowed}
    with Stack(tmp_path / "stack", ports=Ports.free(), env=environment) as stack:
        yield stack


def test_every_worker_killed_once(slow: Stack, states: Path, recordings: Path) -> None:
    """Each worker is killed while it has the job; the job still completes, with one result per stage."""
    upload = send(slow.gateway_url, "long", recordings / "two_cities.wav")
    job = slow.data_dir / "artifacts" / upload["id"]

    def kill(name: str) -> None:
        slow.kill(name, signal.SIGKILL)
        slow.restart(name)

    url = f"{slow.gateway_url}/v1/uploads/{upload['id']}"
    # The recording takes Whisper seconds: between the claim of the message and the artifact it is at work.
    assert until(lambda: httpx.get(url).json()["state"], lambda state: state == "running") == "running"
    assert until(lambda: ready(slow, "transcribe"), lambda count: count == 0) == 0
    assert not (job / "transcript.json").exists()
    kill("asr")
    for name, artifact in (("translation", "translation.json"), ("synthesis", "speech.wav")):
        assert until((states / name).exists, bool)
        assert not (job / artifact).exists()
        kill(name)

    last = until(lambda: httpx.get(url).json(), lambda state: state["state"] in {"completed", "failed"})
    assert last["state"] == "completed"
    assert sorted(path.name for path in job.iterdir()) == [
        "audio",
        "speech.wav",
        "transcript.json",
        "translation.json",
    ]

    def read() -> Trace:
        answer = httpx.get(f"{slow.console_url}/api/v3/traces/{upload['trace_id']}")
        return Trace.from_otlp(answer.json().get("result", {}), upload["trace_id"])

    trace = until(read, whole)
    assert [row.span.name for row in trace.rows if row.depth == 0] == ["POST /v1/uploads"]
    for stage in ("transcribe", "translate", "synthesize"):
        processed = [span for span in trace.spans if span.name == f"process speech:{stage}"]
        assert [span.attributes["voxtrace.messaging.redelivered"] for span in processed] == [True], stage
        assert [span.attributes["voxtrace.messaging.delivery.attempt"] for span in processed] == [2], stage
