"""The three workers as processes, on real engines and a real broker."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.services.workers import RECORDINGS, Site, Worker
from voxtrace_services.core.broker import Outgoing
from voxtrace_services.core.messages import SynthesizeRequest, TranscribeRequest, TranslateRequest

Crew = dict[str, Worker]


@pytest.fixture(scope="module", name="plant")
def _plant(rabbitmq: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Crew]]:
    """All three workers, for the whole module."""
    site = Site(rabbitmq.url, tmp_path_factory.mktemp("plant"))
    with site.cleanup:
        yield site, {name: site.start(name) for name in ("asr", "translation", "synthesis")}


@pytest.fixture(name="site")
def _site(plant: tuple[Site, Crew]) -> Iterator[Site]:
    """Where they work; after each test all of them are still alive, on an empty broker."""
    site, crew = plant
    site.purge()
    yield site
    assert [worker.process.poll() for worker in crew.values()] == [None, None, None]


def test_recording_becomes_speech(site: Site) -> None:
    """A real recording is transcribed, translated and spoken, and its job is completed."""
    site.store.write("real/audio", (RECORDINGS / "beckett.wav").read_bytes())
    site.send(
        TranscribeRequest(job_id="real", audio="real/audio", target_language="es").outgoing("transcribe")
    )
    assert site.event() == {
        "version": 1,
        "job_id": "real",
        "outcome": "completed",
        "stage": "synthesis",
        "reason": None,
        "detail": None,
    }
    transcript = json.loads(site.store.read("real/transcript.json"))
    assert transcript["text"].startswith("Ever tried. Ever failed. No matter. Try again.")
    assert transcript["language"] == "en"
    assert 9.9 < transcript["duration"] < 10.1
    assert 0 <= transcript["segments"][0]["start"] < transcript["segments"][-1]["end"] < 11
    translation = json.loads(site.store.read("real/translation.json"))
    assert "Falla mejor." in translation["text"]
    assert (translation["source_language"], translation["target_language"]) == ("en", "es")
    with wave.open(io.BytesIO(site.store.read("real/speech.wav"))) as speech:
        assert speech.getnframes() / speech.getframerate() > 2


def test_silence_is_no_failure(site: Site) -> None:
    """A recording of nothing completes, without a word."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    site.store.write("hush/audio", buffer.getvalue())
    site.send(
        TranscribeRequest(job_id="hush", audio="hush/audio", target_language="es").outgoing("transcribe")
    )
    assert site.event()["outcome"] == "completed"
    assert json.loads(site.store.read("hush/transcript.json"))["text"] == ""
    with wave.open(io.BytesIO(site.store.read("hush/speech.wav"))) as speech:
        assert speech.getframerate() > 0


@pytest.mark.parametrize("sound", [b"this is no sound", b"", b"RIFF\x24\0\0\0WAVEfmt "])
def test_undecodable(site: Site, sound: bytes) -> None:
    """What is no sound is dead at once, and its job has failed for that."""
    site.store.write("noise/audio", sound)
    message = TranscribeRequest(job_id="noise", audio="noise/audio", target_language="es").outgoing(
        "transcribe"
    )
    site.send(message)
    headers, body = site.take("speech.dead")
    assert (headers["x-reason"], headers["x-attempt"], body) == ("audio_undecodable", 1, message.body)
    event = site.event()
    assert (event["outcome"], event["stage"], event["reason"]) == (
        "failed",
        "transcription",
        "audio_undecodable",
    )


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (
            TranslateRequest(
                job_id="far", transcript="far/transcript.json", source_language="en", target_language="tlh"
            ).outgoing("translate"),
            "unsupported_language",
        ),
        (
            SynthesizeRequest(job_id="far", translation="far/translation.json", language="tlh").outgoing(
                "synthesize"
            ),
            "unsupported_language",
        ),
        (
            SynthesizeRequest(
                job_id="far", translation="far/translation.json", language="es", voice="nobody"
            ).outgoing("synthesize"),
            "unsupported_voice",
        ),
    ],
    ids=["translate", "synthesize", "voice"],
)
def test_unsupported(site: Site, request_: Outgoing, reason: str) -> None:
    """A language or voice that no engine has is dead at once."""
    site.store.write(
        "far/transcript.json",
        b'{"text":"hello","language":"en","language_probability":1,"duration":1,"segments":[]}',
    )
    site.store.write(
        "far/translation.json", b'{"text":"hello","source_language":"en","target_language":"tlh"}'
    )
    site.send(request_)
    assert site.take("speech.dead")[0]["x-reason"] == reason
    assert site.event()["reason"] == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x00 not json", "not_json"),
        (b'{"version": 99, "job_id": "poison"}', "unknown_version"),
        (b'{"version": 1, "job_id": "poison", "colour": "red"}', "invalid_message"),
    ],
    ids=["not_json", "unknown_version", "invalid_message"],
)
@pytest.mark.parametrize("queue", ["transcribe", "translate", "synthesize"])
def test_poison(site: Site, queue: str, body: bytes, reason: str) -> None:
    """A poisonous message is dead with its reason after one delivery, and the worker lives on."""
    hostile = {"traceparent": 7, "tracestate": {"a": [1]}, "baggage": b"\xff"}
    site.send(
        Outgoing(routing_key=queue, body=body, message_id="p", correlation_id="poison", headers=hostile)
    )
    headers, dead = site.take("speech.dead")
    assert dead == body
    assert (headers["x-reason"], headers["x-exception-type"], headers["x-attempt"]) == (reason, reason, 1)
    assert site.event()["reason"] == reason


@pytest.mark.parametrize(
    "request_",
    [
        TranscribeRequest(job_id="gone", audio="gone/audio", target_language="es").outgoing("transcribe"),
        TranslateRequest(
            job_id="gone", transcript="gone/transcript.json", source_language="en", target_language="es"
        ).outgoing("translate"),
        SynthesizeRequest(job_id="gone", translation="gone/translation.json", language="es").outgoing(
            "synthesize"
        ),
    ],
    ids=["transcribe", "translate", "synthesize"],
)
def test_missing_artifact(site: Site, request_: Outgoing) -> None:
    """A request whose input is gone is dead at once."""
    site.send(request_)
    assert site.take("speech.dead")[0]["x-reason"] == "artifact_missing"
    assert site.event()["reason"] == "artifact_missing"


def test_health(plant: tuple[Site, Crew]) -> None:
    """Every worker reports its broker, its store, the space that has, and its engine."""
    for name, worker in plant[1].items():
        report = worker.health()
        assert (report["service"], report["status"]) == (name, "ok")
        assert {check: said["status"] for check, said in report["checks"].items()} == {
            "broker": "ok",
            "artifacts": "ok",
            "disk": "ok",
            "engine": "ok",
        }


def test_logs(site: Site, plant: tuple[Site, Crew], tmp_path: Path) -> None:
    """A worker's work is one line of JSON that carries its trace, and never what was said."""
    site.store.write("logged/audio", (RECORDINGS / "beckett.wav").read_bytes())
    site.send(
        TranscribeRequest(job_id="logged", audio="logged/audio", target_language="es").outgoing("transcribe")
    )
    assert site.event()["outcome"] == "completed"
    traces = set()
    for worker in plant[1].values():
        [line] = [line for line in worker.lines() if line.get("job_id") == "logged"]
        assert (line["event"], line["level"], line["service"]) == ("done", "info", worker.service)
        assert len(line["span_id"]) == 16
        traces.add(line["trace_id"])
        assert "Ever tried" not in worker.log.read_text()
    assert len(traces) == 1
