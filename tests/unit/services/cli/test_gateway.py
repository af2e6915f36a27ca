"""The gateway's client, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from voxtrace_services.cli.errors import ProblemError, UnreachableError, UploadFailedError
from voxtrace_services.cli.gateway import Gateway, Receipt

Serve = Callable[[Mapping[str, tuple[int, Any]]], str]
ACCEPTED = {"id": "u1", "status_url": "/v1/uploads/u1", "trace_id": "t1"}


def _status(state: str, failure: dict[str, str] | None = None) -> dict[str, Any]:
    stages = {"transcription": "done", "translation": "pending", "synthesis": "pending"}
    return {"id": "u1", "state": state, "stages": stages, "trace_id": "t1", "failure": failure}


@pytest.fixture(name="recording")
def _recording(tmp_path: Path) -> Path:
    path = tmp_path / "hello.wav"
    path.write_bytes(b"RIFF")
    return path


class TestSend:
    """Uploading."""

    def test_accepted(self, serve: Serve, recording: Path) -> None:
        """An accepted upload is a receipt with its id and trace."""
        url = serve({"POST /v1/uploads": (202, ACCEPTED)})

        assert Gateway(url=url).send(recording) == Receipt(
            upload_id="u1", status_url="/v1/uploads/u1", trace_id="t1", body=ACCEPTED
        )

    def test_problem(self, serve: Serve, recording: Path) -> None:
        """A problem+json answer becomes one line with its code."""
        problem = {
            "title": "Unsupported media",
            "status": 415,
            "detail": "Not audio.",
            "code": "unsupported_media",
        }
        url = serve({"POST /v1/uploads": (415, problem)})

        with pytest.raises(ProblemError, match=r"^Unsupported media: Not audio \(unsupported_media, "):
            Gateway(url=url).send(recording)

    @pytest.mark.parametrize("answer", [(500, b"oops"), (404, b"<html>"), (200, b"hello")])
    def test_not_a_gateway(self, serve: Serve, recording: Path, answer: tuple[int, Any]) -> None:
        """Whatever is no answer of a gateway says so instead of failing to parse."""
        with pytest.raises(UnreachableError, match="HTTP"):
            Gateway(url=serve({"POST /v1/uploads": answer})).send(recording)

    def test_nobody_there(self, dead_url: str, recording: Path) -> None:
        """A gateway that is down is named with the command that starts it."""
        with pytest.raises(UnreachableError, match="voxtrace up"):
            Gateway(url=dead_url).send(recording)


class TestFollow:
    """Waiting."""

    def test_to_the_end(self, serve: Serve) -> None:
        """Following ends with the finished upload."""
        url = serve({"GET /v1/uploads/u1": (200, _status("completed"))})

        assert [upload.state for upload in Gateway(url=url).follow("u1", seconds=9)] == ["completed"]

    def test_too_slow(self, serve: Serve) -> None:
        """What takes too long is an error that names the stages it waits for."""
        url = serve({"GET /v1/uploads/u1": (200, _status("running"))})

        with pytest.raises(UploadFailedError, match=r"pending: translation, synthesis"):
            list(Gateway(url=url).follow("u1", seconds=0))

    def test_failure(self, serve: Serve) -> None:
        """A failed upload says which stage gave up, why, and where to look."""
        failure = {"stage": "translation", "reason": "unsupported_pair", "detail": "no eng-xxx"}
        url = serve({"GET /v1/uploads/u1": (200, _status("failed", failure))})

        with pytest.raises(
            UploadFailedError, match=r"translation .* \(unsupported_pair\): no eng-xxx.*trace t1"
        ):
            Gateway(url=url).upload("u1").require_completed()


class TestResults:
    """Fetching."""

    def test_text(self, serve: Serve) -> None:
        """A text result is its text."""
        url = serve({"GET /v1/uploads/u1/transcript": (200, {"text": "hello", "language": "en"})})

        assert Gateway(url=url).text("u1", "transcript") == "hello"

    def test_speech(self, serve: Serve) -> None:
        """The speech is bytes, whatever they are."""
        assert (
            Gateway(url=serve({"GET /v1/uploads/u1/speech": (200, b"RIFF\x00")})).speech("u1") == b"RIFF\x00"
        )

    def test_missing_speech(self, serve: Serve) -> None:
        """A result that is not there is the gateway's problem, not a broken file."""
        problem = {"status": 404, "detail": "no speech yet", "code": "unknown_upload"}

        with pytest.raises(ProblemError, match="no speech yet"):
            Gateway(url=serve({"GET /v1/uploads/u1/speech": (404, problem)})).speech("u1")
