"""SIGKILL in the middle of a job, or just after the work: the job completes, once, in one connected trace."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e.evidence import ready, said, send, tap, until, whole
from e2e.line import Line
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native.ports import Ports
from voxtrace_services.native.stack import Stack

HERE = Path(__file__).parent
SECONDS = "3"
WORKERS = ("asr", "translation", "synthesis")


@pytest.fixture(name="states")
def _states(tmp_path: Path) -> Path:
    """Folder in which the slowed engines say that they are at work."""
    states = tmp_path / "states"
    states.mkdir()
    return states


@pytest.fixture(name="ports")
def _ports() -> Ports:
    """Where the pipeline listens."""
    return Ports.free()


@pytest.fixture(name="line")
def _line(ports: Ports) -> Iterator[Line]:
    """The way of the synthesis worker to the broker."""
    with Line.to(ports.amqp) as line:
        yield line


@pytest.fixture(name="slow")
def _slow(tmp_path: Path, ports: Ports, line: Line, states: Path) -> Iterator[Stack]:
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
    # The broker must not be the one who ends a connection on which it hears nothing.
    on_the_line = {"VOXTRACE_AMQP_URL": line.url, "VOXTRACE_AMQP_HEARTBEAT_SECONDS": "600"}
    environment = {"translation": slowed, "synthesis": {**slowed, **on_the_line}}
    with Stack(tmp_path / "stack", ports=ports, env=environment) as stack:
        yield stack


def trace_of(slow: Stack, upload: dict[str, str]) -> Trace:
    """The upload's trace when it is whole."""

    def read() -> Trace:
        answer = httpx.get(f"{slow.console_url}/api/v3/traces/{upload['trace_id']}", timeout=30)
        return Trace.from_otlp(answer.json().get("result", {}), upload["trace_id"])

    return until(read, whole)


def ends(slow: Stack) -> Counter[tuple[str, str, str]]:
    """How often each worker came to the end of a job's work, by queue, job and what it said of it."""
    return Counter(
        (line["queue"], line["job_id"], line["event"])
        for worker in WORKERS
        for line in said(slow, worker)
        if line["event"] in {"done", "already done"}
    )


def test_every_worker_killed_once(slow: Stack, states: Path, recordings: Path) -> None:
    """Each worker is killed while it has the job; the job still completes, with one result per stage."""
    upload = send(slow.gateway_url, "long", recordings / "two_cities.wav")
    job = slow.data_dir / "artifacts" / upload["id"]

    def kill(name: str) -> None:
        slow.kill(name, signal.SIGKILL)
        slow.restart(name)

    def state() -> str:
        return str(httpx.get(f"{slow.gateway_url}/v1/uploads/{upload['id']}", timeout=30).json()["state"])

    # The recording takes Whisper seconds: between the claim of the message and the artifact it is at work.
    assert until(state, lambda state: state == "running") == "running"
    assert until(lambda: ready(slow, "transcribe"), lambda count: count == 0) == 0
    assert not (job / "transcript.json").exists()
    kill("asr")
    for name, artifact in (("translation", "translation.json"), ("synthesis", "speech.wav")):
        assert until((states / name).exists, bool)
        assert not (job / artifact).exists()
        kill(name)

    assert until(state, lambda state: state in {"completed", "failed"}, seconds=120) == "completed"
    assert sorted(path.name for path in job.iterdir()) == [
        "audio",
        "speech.wav",
        "transcript.json",
        "translation.json",
    ]

    assert ends(slow) == {
        (queue, upload["id"], "done"): 1 for queue in ("transcribe", "translate", "synthesize")
    }
    assert ready(slow, "speech.dead") == 0
    trace = trace_of(slow, upload)
    assert [row.span.name for row in trace.rows if row.depth == 0] == ["POST /v1/uploads"]
    for stage in ("transcribe", "translate", "synthesize"):
        processed = [span for span in trace.spans if span.name == f"process speech:{stage}"]
        assert [span.attributes["voxtrace.messaging.redelivered"] for span in processed] == [True], stage
        assert [span.attributes["voxtrace.messaging.delivery.attempt"] for span in processed] == [2], stage


def test_killed_between_result_and_ack(slow: Stack, line: Line, states: Path, recordings: Path) -> None:
    """A worker killed when its result is stored and its delivery not acked: no second run, one event."""
    events = tap(slow, "events")
    # From when it consumes until it has a result, a worker has nothing to say to the broker.
    assert until(lambda: "consuming" in {each["event"] for each in said(slow, "synthesis")}, bool)
    line.cut()
    upload = send(slow.gateway_url, "short", recordings / "clone-test.wav")
    job = ("synthesize", upload["id"])
    assert until(lambda: ends(slow)[*job, "done"], bool, seconds=120) == 1
    assert (slow.data_dir / "artifacts" / upload["id"] / "speech.wav").exists()
    assert ready(slow, events) == 0
    slow.kill("synthesis", signal.SIGKILL)
    slow.restart("synthesis")

    url = f"{slow.gateway_url}/v1/uploads/{upload['id']}"
    last = until(
        lambda: httpx.get(url, timeout=30).json(), lambda state: state["state"] in {"completed", "failed"}
    )
    assert last["state"] == "completed"
    trace = trace_of(slow, upload)
    # Once it has stopped, it has said all that it had to say.
    slow.process("synthesis").stop()
    assert (states / "synthesis").read_text(encoding="utf-8").splitlines() == ["run"]
    assert (ends(slow)[*job, "done"], ends(slow)[*job, "already done"]) == (1, 1)
    assert (ready(slow, events), ready(slow, "speech.dead")) == (1, 0)
    assert [row.span.name for row in trace.rows if row.depth == 0] == ["POST /v1/uploads"]
    (processed,) = [span for span in trace.spans if span.name == "process speech:synthesize"]
    assert processed.attributes["voxtrace.messaging.redelivered"] is True
