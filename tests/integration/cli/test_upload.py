"""Uploads and their traces on a platform that is up."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from integration.cli.command import Voxtrace
from voxtrace_services.cli.recording import default_recording

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the demo printed, and the id of its trace."""

    output: str
    trace_id: str


@pytest.fixture(scope="module")
def shown(platform: Voxtrace) -> Shown:
    """The demo, run on the platform that is up."""
    demo = platform("demo", COLUMNS="140")
    assert demo.returncode == 0, demo.stderr
    return Shown(output=demo.stdout, trace_id=demo.stdout.split()[-1])


def test_demo(platform: Voxtrace, shown: Shown) -> None:
    """The demo shows what was heard, said and timed, puts the speech on disk and leaves the platform up."""
    assert "Fail again. Fail better." in shown.output
    assert (platform.data_dir / "demo" / "beckett.es.wav").read_bytes()[:4] == b"RIFF"
    for span in (
        "POST /v1/uploads",
        "wait transcribe",
        "speech_to_text tiny.en",
        "speech.asr.decode",
        "translate eng-spa",
        "text_to_speech es",
        "process speech:events",
    ):
        assert span in shown.output
    assert "without a parent" not in shown.output
    assert "cold start" in shown.output
    assert "Requests, errors, durations" in shown.output
    assert platform("status").returncode == 0


def test_trace_json_into_a_closed_pipe(platform: Voxtrace, shown: Shown) -> None:
    """A reader that has seen enough ends the command without a word on stderr."""
    with subprocess.Popen(
        platform.line("trace", shown.trace_id, "--json"),
        env=platform.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as trace:
        assert trace.stdout is not None
        assert trace.stderr is not None
        first = trace.stdout.readline()
        trace.stdout.close()
        said = trace.stderr.read()

    assert (first, said) == (b"{\n", b"")


def test_trace_json(platform: Voxtrace, shown: Shown) -> None:
    """The JSON of a trace is OTLP with every service's spans."""
    document = json.loads(platform("trace", shown.trace_id, "--json").stdout)
    services = {
        attribute["value"]["stringValue"]
        for resource_spans in document["resourceSpans"]
        for attribute in resource_spans["resource"]["attributes"]
        if attribute["key"] == "service.name"
    }

    assert services == {"gateway", "asr", "translation", "synthesis"}


def test_trace_of_an_upload(platform: Voxtrace) -> None:
    """An upload's id finds its trace, through the gateway and without it."""
    uploaded = platform("upload", str(default_recording()), "--wait", "--json")
    assert uploaded.returncode == 0, uploaded.stderr
    upload = json.loads(uploaded.stdout)
    by_gateway = platform("trace", upload["id"])
    by_search = platform("trace", upload["id"], "--gateway", "http://127.0.0.1:9")

    assert upload["state"] == "completed"
    assert f"Trace {upload['trace_id']} " in by_gateway.stdout
    assert f"Trace {upload['trace_id']} " in by_search.stdout, by_search.stderr


def test_red(platform: Voxtrace, shown: Shown) -> None:
    """RED counts the uploads where they come in."""
    rows = json.loads(platform("red", "--json").stdout)["rows"]
    (entry,) = [row for row in rows if row["operation"] == "POST /v1/uploads"]

    assert (entry["service"], entry["errors"]) == ("gateway", 0)
    assert entry["calls"] >= 1


def test_not_audio(platform: Voxtrace, tmp_path: Path) -> None:
    """A refused upload is one line with its code."""
    text = tmp_path / "notes.wav"
    text.write_text("not a sound")
    answer = platform("upload", str(text))

    assert answer.returncode == 1
    assert "(unsupported_media, HTTP 415)" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_language(platform: Voxtrace) -> None:
    """The language of --to reaches the gateway, which refuses one that it does not offer."""
    answers = [platform("upload", str(default_recording()), "--to", language) for language in ("tlh", "es")]

    assert [answer.returncode for answer in answers] == [1, 0]
    assert "target_language must be one of: es (unsupported_language, HTTP 422)" in answers[0].stderr


def test_unknown_trace(platform: Voxtrace) -> None:
    """A trace that nobody knows is one line and an exit code of its own."""
    answer = platform("trace", "f" * 32)

    assert answer.returncode == 5
    assert len(answer.stderr.splitlines()) == 1
