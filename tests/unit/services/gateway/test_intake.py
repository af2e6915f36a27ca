"""How much of an upload is read, and for how long."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from unit.services.gateway.sounds import wav
from voxtrace_services.gateway.intake import ENVELOPE_BYTES
from voxtrace_services.gateway.settings import GatewaySettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from unit.services.gateway.conftest import Gateway

BOUNDARY = b"line"
HEAD = b'--line\r\nContent-Disposition: form-data; name="audio"; filename="x.wav"\r\n\r\n'
TAIL = b"\r\n--line--\r\n"


@dataclass
class Sender:
    """A client that sends a body chunk by chunk, and sees how much of it was asked for."""

    chunks: Iterator[bytes]
    headers: dict[bytes, bytes] = field(default_factory=dict)
    asked: int = 0
    status: int = 0
    answered: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    ending: dict[str, Any] = field(default_factory=lambda: {"type": "http.request", "more_body": False})

    async def receive(self) -> dict[str, Any]:
        """Hand over the next chunk."""
        self.asked += 1
        chunk = next(self.chunks, None)
        if chunk is not None:
            return {"type": "http.request", "body": chunk, "more_body": True}
        if self.ending["type"] == "never":
            await asyncio.sleep(3600)
        return self.ending

    async def send(self, message: dict[str, Any]) -> None:
        """Keep the answer."""
        if message["type"] == "http.response.start":
            self.status, self.answered = message["status"], dict(message["headers"])
        self.body += message.get("body", b"")

    async def post(self, app: FastAPI) -> tuple[int, str]:
        """Send, and give the status and the code of the answer."""
        kind = b"multipart/form-data; boundary=" + BOUNDARY
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/uploads",
            "raw_path": b"/v1/uploads",
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"content-type", kind), *self.headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await app(scope, self.receive, self.send)  # type: ignore[arg-type]  # plain dicts are what ASGI is made of
        return self.status, json.loads(self.body).get("code", "")


def endless() -> Iterator[bytes]:
    """A form whose audio never ends."""
    yield HEAD
    while True:
        yield bytes(10_000)


async def test_an_announced_excess_is_refused_unread(gateway: Gateway) -> None:
    """A Content-Length over the limit is answered before a single byte of the body is asked for."""
    sender = Sender(endless(), headers={b"content-length": b"1000000000"})
    assert await sender.post(gateway.app) == (413, "upload_too_large")
    assert sender.asked == 0
    assert sender.answered[b"connection"] == b"close"


@pytest.mark.parametrize("headers", [{}, {b"content-length": b"5000"}], ids=["unannounced", "understated"])
async def test_an_unannounced_excess_is_refused_when_it_shows(
    gateway: Gateway, settings: GatewaySettings, headers: dict[bytes, bytes]
) -> None:
    """Without an honest Content-Length the body is read up to the limit and no chunk further."""
    sender = Sender(endless(), headers=headers)
    assert await sender.post(gateway.app) == (413, "upload_too_large")
    assert sender.asked == 1 + (settings.max_upload_bytes + ENVELOPE_BYTES) // 10_000 + 1
    assert sender.answered[b"connection"] == b"close"


async def test_the_limit_is_the_audio_s(gateway: Gateway, settings: GatewaySettings) -> None:
    """What the form adds is not counted, and cannot be used to send more audio."""
    over = bytes(settings.max_upload_bytes + 1)
    assert await Sender(iter([HEAD, over, TAIL])).post(gateway.app) == (413, "upload_too_large")
    exact = over[:-1]
    assert await Sender(iter([HEAD, exact, TAIL])).post(gateway.app) == (415, "unsupported_media")


async def test_a_sender_that_stalls_is_given_up(gateway: Gateway, settings: GatewaySettings) -> None:
    """An upload that does not arrive in time is a 408, and the connection is not kept."""
    gateway.app.state.settings = settings.model_copy(update={"upload_timeout_seconds": 0.05})
    sender = Sender(iter([HEAD, b"RIFF"]), ending={"type": "never"})
    assert await sender.post(gateway.app) == (408, "upload_timeout")
    assert sender.answered[b"connection"] == b"close"


async def test_a_sender_that_leaves_is_no_error_of_ours(gateway: Gateway) -> None:
    """A broken connection ends the request quietly: nothing is stored."""
    sender = Sender(iter([HEAD, b"RIFF"]), ending={"type": "http.disconnect"})
    assert await sender.post(gateway.app) == (400, "upload_interrupted")
    assert gateway.jobs.recent(1) == []


@pytest.mark.parametrize(
    "body",
    [
        b"no form at all",
        HEAD + b"x\r\n" + HEAD + b"y" + TAIL,
        b"".join(b'--line\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % n for n in range(9))
        + TAIL,
        b'--line\r\nContent-Disposition: form-data; name="voice"\r\n\r\n' + b"x" * 2000 + TAIL,
        b"--line\r\nContent-Disposition: form-data\r\n\r\nx" + TAIL,
        b"--line\r\n" + b"X-Header: y\r\n" * 50 + b"\r\nx" + TAIL,
        b"--line\r\nX-Long: " + b"y" * 9000 + b"\r\n\r\nx" + TAIL,
    ],
    ids=[
        "no form",
        "two files",
        "many fields",
        "long field",
        "no name",
        "many headers",
        "long header",
    ],
)
async def test_a_form_out_of_bounds_is_refused(gateway: Gateway, body: bytes) -> None:
    """A form that is broken, or larger in any part than ours can be, is not taken."""
    assert await Sender(iter([body])).post(gateway.app) == (400, "malformed_request")
    assert gateway.jobs.recent(1) == []


def test_no_room_for_the_upload_is_a_problem(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full temporary disk is a 503 that names what is full, not an unexpected error."""

    async def write(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("starlette.datastructures.UploadFile.write", write)
    answer = client.post("/v1/uploads", files={"audio": ("x.wav", wav())})
    assert (answer.status_code, answer.json()["code"]) == (503, "spool_unavailable")


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "tab\there"])
def test_a_useless_idempotency_key_is_refused(client: TestClient, key: str) -> None:
    """A key is 1 to 255 printable ASCII characters."""
    answer = client.post(
        "/v1/uploads", files={"audio": ("x.wav", wav())}, headers={b"Idempotency-Key": key.encode("latin-1")}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


@pytest.mark.parametrize("voice", ["../../etc/passwd", "-x", "a b", "x" * 65, "anna\n"])
def test_a_voice_is_a_name(client: TestClient, voice: str) -> None:
    """What could be a path, an option or a line of its own is no voice."""
    answer = client.post("/v1/uploads", files={"audio": ("x.wav", wav())}, data={"voice": voice})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


@pytest.mark.parametrize("language", ["xx", "ES", "es;rm", "../es"])
def test_an_unsupported_language_is_told_which_are(client: TestClient, language: str) -> None:
    """The answer names the languages that are offered."""
    answer = client.post("/v1/uploads", files={"audio": ("x.wav", wav())}, data={"target_language": language})
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_language")
    assert answer.json()["detail"] == "The field target_language must be one of: es, fr."


@pytest.mark.parametrize(
    "request_",
    [{}, {"data": {"audio": "text"}}, {"files": {"sound": ("x.wav", b"RIFF")}}, {"json": {"audio": "x"}}],
    ids=["nothing", "a field", "another name", "JSON"],
)
def test_a_missing_part_is_named(client: TestClient, request_: dict[str, Any]) -> None:
    """Whatever is sent instead, the answer says which part is missing."""
    answer = client.post("/v1/uploads", **request_)
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_audio")
    assert "'audio'" in answer.json()["detail"]


def test_targets_are_a_list_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """VOXTRACE_SUPPORTED_TARGETS is separated by commas; the first is the default."""
    monkeypatch.setenv("VOXTRACE_SUPPORTED_TARGETS", "fr, es")
    assert GatewaySettings().supported_targets == ("fr", "es")
