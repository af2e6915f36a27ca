"""The command that has a worker profile itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from voxtrace_services.cli.addresses import worker
from voxtrace_services.cli.app import app
from voxtrace_services.cli.errors import ProblemError, UnreachableError
from voxtrace_services.cli.record import ProcessRecord, Record

Serve = Callable[[Mapping[str, tuple[int, Any]]], str]

PROFILE = {
    "id": "0123456789abcdef",
    "service": "asr",
    "seconds": 10.0,
    "samples": 42,
    "traces": ["0af7651916cd43dd8448eb211c80319c"],
    "address": "/v1/profiles/0123456789abcdef",
    "text": "\n4.763 handle\n\n",
    "html": "<html>",
}


@pytest.fixture(name="at")
def _at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Say where the asr of the running stack is."""
    monkeypatch.setenv("VOXTRACE_DATA_DIR", str(tmp_path))

    def write(url: str) -> None:
        asr = ProcessRecord.of("asr", os.getpid(), health=f"{url}/health")
        Record(
            holder=ProcessRecord.of("up", os.getpid()),
            state="ready",
            addresses={"gateway": "http://127.0.0.1:8080"},
            processes=(asr,),
        ).write(tmp_path)

    return write


def test_a_profile_is_printed(serve: Serve, at: Callable[[str], None]) -> None:
    """The report is printed, with the traces that it covers and where its page is."""
    at(serve({"POST /profile": (200, PROFILE)}))
    answer = CliRunner().invoke(app, ["profile", "asr"])
    assert answer.exit_code == 0, answer.exception
    assert answer.stdout == (
        "4.763 handle\n"
        "covers trace 0af7651916cd43dd8448eb211c80319c\n"
        "page   http://127.0.0.1:8080/v1/profiles/0123456789abcdef\n"
    )


@pytest.mark.parametrize(("name", "content"), [("a.html", "<html>"), ("a.txt", "4.763 handle\n")])
def test_a_profile_is_saved(
    serve: Serve, at: Callable[[str], None], tmp_path: Path, name: str, content: str
) -> None:
    """--save writes the page, or the text where the name says so."""
    at(serve({"POST /profile": (200, PROFILE)}))
    answer = CliRunner().invoke(app, ["profile", "asr", "--save", str(tmp_path / name)])
    assert answer.exit_code == 0, answer.exception
    assert (tmp_path / name).read_text() == content


def test_a_profile_for_programs(serve: Serve, at: Callable[[str], None]) -> None:
    """--json prints what the worker answered but for the page."""
    at(serve({"POST /profile": (200, PROFILE)}))
    answer = CliRunner().invoke(app, ["profile", "asr", "--json"])
    assert json.loads(answer.stdout) == {name: value for name, value in PROFILE.items() if name != "html"}


def test_the_duration_is_passed_on(
    serve: Serve, at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--for is asked for in seconds, and waited for."""
    at(serve({"POST /profile": (200, PROFILE)}))
    asked: list[tuple[Any, Any]] = []
    post = httpx.Client.post

    def note(self: httpx.Client, url: str, **options: Any) -> httpx.Response:
        asked.append((options["params"], options["timeout"]))
        return post(self, url, **options)

    monkeypatch.setattr(httpx.Client, "post", note)
    assert CliRunner().invoke(app, ["profile", "asr", "--for", "500ms"]).exit_code == 0
    assert asked == [({"seconds": 0.5}, 60.5)]


def test_a_duration_that_is_none() -> None:
    """A duration that cannot be read is a usage error."""
    answer = CliRunner().invoke(app, ["profile", "asr", "--for", "soon"])
    assert answer.exit_code == 2
    assert "is no duration" in answer.output


def test_no_work(serve: Serve, at: Callable[[str], None]) -> None:
    """A worker without work in that time is said to have had none."""
    at(serve({"POST /profile": (200, {**PROFILE, "samples": 0, "traces": []})}))
    answer = CliRunner().invoke(app, ["profile", "asr"])
    assert answer.stdout == ("The asr had no work in that time: send it some with voxtrace upload FILE.\n")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((409, {"code": "profiling_busy", "detail": "Ask again."}), ProblemError),
        ((404, {"detail": "The health report is at GET /health."}), UnreachableError),
        ((200, b"no JSON"), UnreachableError),
    ],
)
def test_refusals(
    serve: Serve, at: Callable[[str], None], answer: tuple[int, Any], error: type[Exception]
) -> None:
    """What a worker refuses, and what is no worker, is one line."""
    at(serve({"POST /profile": answer}))
    assert isinstance(CliRunner().invoke(app, ["profile", "asr"]).exception, error)


def test_where_a_worker_is(at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is where the running stack says, or else at its port."""
    at("http://127.0.0.1:4711")
    monkeypatch.setenv("VOXTRACE_SYNTHESIS_HEALTH_PORT", "4712")
    assert worker("asr") == "http://127.0.0.1:4711"
    assert worker("synthesis") == "http://127.0.0.1:4712"
