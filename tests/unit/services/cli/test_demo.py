"""The demo against a stack that answers as told."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from voxtrace_services.cli import demo
from voxtrace_services.cli.demo import Demonstration
from voxtrace_services.cli.errors import TraceMissingError, UploadFailedError

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
Routes = dict[str, tuple[int, Any]]
Serve = Callable[[Mapping[str, tuple[int, Any]]], str]


@pytest.fixture(name="routes")
def _routes(upload_document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Routes:
    """A completed upload of silence, its trace, and no more to wait for."""
    monkeypatch.setattr(demo, "_TRACE_SECONDS", 0.0)
    status = {
        "id": "u1",
        "state": "completed",
        "stages": dict.fromkeys(("transcription", "translation", "synthesis"), "done"),
        "trace_id": TRACE_ID,
        "target_language": "es",
        "audio_duration": 1.0,
        "failure": None,
    }
    rate = {"service": "asr", "operation": "process speech:transcribe", "kind": "consumer", "calls": 1}
    return {
        "POST /v1/uploads": (202, {"id": "u1", "status_url": "/v1/uploads/u1", "trace_id": TRACE_ID}),
        "GET /v1/uploads/u1": (200, status),
        "GET /v1/uploads/u1/transcript": (200, {"text": ""}),
        "GET /v1/uploads/u1/translation": (200, {"text": "hola"}),
        "GET /v1/uploads/u1/speech": (200, b"RIFF"),
        f"GET /api/v3/traces/{TRACE_ID}": (200, {"result": upload_document}),
        "GET /api/red": (
            200,
            {"rows": [{**rate, "errors": 0, "rate": 1, "p50": 0.1, "p95": 0.1, "p99": 0.1}]},
        ),
    }


def _run(url: str, folder: Path, **more: str) -> tuple[str, Exception | None]:
    recording = folder / "hello.wav"
    recording.write_bytes(b"RIFF")
    results = io.StringIO()
    demonstration = Demonstration(
        addresses={"gateway": url, "console": url, **more},
        folder=folder / "demo",
        results=Console(file=results, width=100),
        progress=Console(file=io.StringIO()),
    )
    try:
        demonstration.run(recording, target_language=None)
    except (UploadFailedError, TraceMissingError) as error:
        return results.getvalue(), error
    return results.getvalue(), None


def test_completed(serve: Serve, routes: Routes, tmp_path: Path) -> None:
    """Texts, speech, waterfall, shares and RED are shown; silence is called by its name."""
    output, error = _run(serve(routes), tmp_path)

    assert error is None
    assert "Transcript   (nothing: no speech was found)" in output
    assert "Translation  hola" in output
    assert (tmp_path / "demo" / "hello.es.wav").read_bytes() == b"RIFF"
    assert "└speech.asr.decode" in output
    assert "Where 2.00 s went" in output
    assert "process speech:transcribe       1" in output


@pytest.mark.parametrize("more", [{}, {"jaeger": "http://jaeger"}], ids=["console", "jaeger"])
def test_address(serve: Serve, routes: Routes, tmp_path: Path, more: dict[str, str]) -> None:
    """The address of the trace is one that answers: Jaeger's API if there is a Jaeger, else the console."""
    url = serve(routes)
    output, _ = _run(url, tmp_path, **more)

    assert output.endswith(f"This trace  {more.get('jaeger', url)}/api/v3/traces/{TRACE_ID}\n")


def test_failed(serve: Serve, routes: Routes, tmp_path: Path) -> None:
    """An upload that the pipeline gave up still has its trace drawn, and then the reason is the error."""
    failure = {"stage": "translation", "reason": "attempts_exhausted", "detail": None}
    routes["GET /v1/uploads/u1"][1].update(state="failed", failure=failure)
    output, error = _run(serve(routes), tmp_path)

    assert "✗ translation: process speech:translate: TranslationError (attempt 2)" in output
    assert isinstance(error, UploadFailedError)
    assert "attempts_exhausted" in str(error)


def test_no_spans(serve: Serve, routes: Routes, tmp_path: Path) -> None:
    """An upload that left no trace is an error that says where to look."""
    del routes[f"GET /api/v3/traces/{TRACE_ID}"]
    output, error = _run(serve(routes), tmp_path)

    assert "Translation  hola" in output
    assert isinstance(error, TraceMissingError)
    assert str(tmp_path / "logs") in str(error)
