"""Each bad upload, over a real connection to a real gateway."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from integration.gateway.conftest import Gateway
from unit.services.gateway.sounds import wav, wav_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 1_000_000
GIGABYTE = 1_000_000_000
HEAD = b'--line\r\nContent-Disposition: form-data; name="audio"; filename="x.wav"\r\n\r\n'


@pytest.fixture(scope="module", name="gateway")
def _gateway(amqp_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway with small limits, to which nothing is uploaded that it takes."""
    limits = {"VOXTRACE_MAX_UPLOAD_BYTES": str(LIMIT), "VOXTRACE_MAX_AUDIO_SECONDS": "2"}
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), amqp_url, limits)
    gateway.process.start()
    yield gateway
    gateway.process.stop()


@pytest.fixture(autouse=True)
def _nothing_is_kept(gateway: Gateway) -> Iterator[None]:
    """A bad upload leaves no job and no artifact."""
    yield
    assert gateway.get("/v1/uploads").json() == {"uploads": []}
    assert gateway.stored() == []


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Give status and code of an answer that must be a problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "code"}
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (422, "empty_file")),
        (b"Good morning, this is no sound.\n" * 100, (415, "unsupported_media")),
        (wav_of(b""), (422, "empty_audio")),
        (wav(3.0), (422, "audio_too_long")),
        (bytes(LIMIT + 1), (413, "upload_too_large")),
    ],
    ids=["empty file", "text named .wav", "header without samples", "too long", "too large"],
)
def test_bad_content(gateway: Gateway, content: bytes, expected: tuple[int, str]) -> None:
    """What cannot be transcribed is refused by its content, whatever its name says."""
    answer = gateway.send(content=content, name="speech.wav")
    assert problem(answer) == expected


def test_an_unsupported_language(gateway: Gateway) -> None:
    """The answer names the languages that are offered."""
    answer = gateway.send(target_language="tlh")
    assert problem(answer) == (422, "unsupported_language")
    assert "must be one of: es" in answer.json()["detail"]


def test_a_missing_part(gateway: Gateway) -> None:
    """A form without audio is told which part is missing."""
    answer = httpx.post(f"{gateway.url}/v1/uploads", files={"sound": ("x.wav", wav())}, trust_env=False)
    assert problem(answer) == (422, "missing_audio")


@pytest.mark.parametrize("result", ["", "/transcript", "/translation", "/speech"])
def test_an_unknown_id(gateway: Gateway, result: str) -> None:
    """Nothing is to be had of an upload that never was."""
    answer = gateway.get(f"/v1/uploads/7b0e3c52-6f2b-4a57-9f1f-2a8a7a3a1c11{result}")
    assert problem(answer) == (404, "unknown_upload")


@pytest.mark.parametrize("announced", [True, False], ids=["Content-Length", "chunked"])
def test_the_rest_of_too_much_is_not_read(gateway: Gateway, *, announced: bool) -> None:
    """Of a gigabyte only what the connection buffers ever leaves the sender, and the answer arrives."""
    address = urlsplit(gateway.url)
    length = f"Content-Length: {GIGABYTE}" if announced else "Transfer-Encoding: chunked"
    chunk = bytes(64 * 1024)
    if not announced:
        chunk = b"%x\r\n%s\r\n" % (len(chunk), chunk)
        first = b"%x\r\n%s\r\n" % (len(HEAD), HEAD)
    else:
        first = HEAD
    begun, sent = time.monotonic(), 0
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=20) as connection:
        connection.sendall(
            f"POST /v1/uploads HTTP/1.1\r\nHost: gateway\r\n{length}\r\n"
            "Content-Type: multipart/form-data; boundary=line\r\n\r\n".encode()
            + first
        )
        try:
            while sent < GIGABYTE:
                sent += connection.send(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert sent < GIGABYTE / 20
    assert time.monotonic() - begun < 10


def test_a_client_that_waits_for_100_continue_sends_nothing(gateway: Gateway) -> None:
    """Asked first, the gateway refuses an announced excess without letting it begin."""
    address = urlsplit(gateway.url)
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=20) as connection:
        connection.sendall(
            f"POST /v1/uploads HTTP/1.1\r\nHost: gateway\r\nContent-Length: {GIGABYTE}\r\n"
            "Expect: 100-continue\r\nContent-Type: multipart/form-data; boundary=line\r\n\r\n".encode()
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_an_unwritable_artifact_store(gateways: Callable[..., Gateway], amqp_url: str) -> None:
    """Nothing is half-made: 503, no job, no file, and the health report says why."""
    broken = gateways(amqp_url, start=False)
    broken.artifacts.write_text("a file where the folder should be")
    broken.process.start()
    assert problem(broken.send(key="k")) == (503, "artifacts_unavailable")
    assert broken.get("/v1/uploads").json() == {"uploads": []}
    health = broken.get("/health")
    assert (health.status_code, health.json()["checks"]["artifacts"]["status"]) == (503, "failing")
    broken.artifacts.unlink()
    accepted = broken.send(key="k")
    assert accepted.status_code == 202
    assert broken.stored() == [f"{accepted.json()['id']}/audio"]
