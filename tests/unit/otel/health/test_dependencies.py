"""The ready-made checks, on small stand-ins; the broker's on a real one is an integration test."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voxtrace.errors import HealthCheckError
from voxtrace.health import broker, database, disk, model, store


@pytest.fixture(name="listener")
def _listener() -> Iterator[Callable[[bytes], str]]:
    """A server that says these bytes to each client and hangs up."""
    servers: list[socket.socket] = []

    def listen(words: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def talk() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    line.recv(8)
                    line.sendall(words)

        threading.Thread(target=talk, daemon=True).start()
        return f"amqp://user:secret@127.0.0.1:{server.getsockname()[1]}/%2F"

    yield listen
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak AMQP"),
        (b"AMQP\0\0\x09\x01", "does not speak AMQP"),
        (b"", "closed the connection"),
        (b"\1\0\0\0\0\0\4\0\x14\0\x0a\xce", "does not answer as AMQP"),
        (b"\1\0\0\0\0\0\x0b\0\x0a\0\x32\2\x12\0\0\0\0\0\xce", r"reply code 530"),
    ],
)
def test_what_is_no_broker(listener: Callable[[bytes], str], words: bytes, reason: str) -> None:
    """A server that is no broker, or a broker that refuses, is told by a reason without the address."""
    with pytest.raises(HealthCheckError, match=reason) as caught:
        broker(listener(words))()
    assert "127.0.0.1" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_broker() -> None:
    """Where nobody listens the broker cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(HealthCheckError, match=r"^the broker cannot be reached \(ConnectionRefusedError\)$"):
        broker(f"amqp://127.0.0.1:{port}")()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:5672", "amqp://"])
def test_an_address_that_is_none(url: str) -> None:
    """A URL that no broker can have is refused when the check is made."""
    with pytest.raises(ValueError, match="give an AMQP URL"):
        broker(url)


def test_a_database_answers(tmp_path: Path) -> None:
    """A database that answers is well, and one that is away raises its own error."""
    path = tmp_path / "a.db"
    assert database(lambda: sqlite3.connect(path))() is None
    assert database(f"sqlite:///{path}")() is None
    with pytest.raises(Exception, match="unable to open database file"):
        database(f"sqlite:///{tmp_path}/none/a.db")()
    with pytest.raises(sqlite3.OperationalError):
        database(lambda: sqlite3.connect(tmp_path / "none" / "a.db"))()


def test_a_store_is_written(tmp_path: Path) -> None:
    """A folder that can be written is well, and nothing is left in it; one that is gone is not."""
    assert store(tmp_path)() is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(HealthCheckError, match=r"cannot be written \(FileNotFoundError\)"):
        store(tmp_path / "gone")()


def test_a_model_is_loaded() -> None:
    """A model is well once it is loaded, and is named."""
    loaded = threading.Event()
    check = model(loaded.is_set, name="tiny.en")
    with pytest.raises(HealthCheckError, match="not loaded yet") as caught:
        check()
    assert caught.value.details == {"model": "tiny.en"}
    loaded.set()
    assert check() == {"model": "tiny.en"}


def test_a_disk_has_room(tmp_path: Path) -> None:
    """A disk is well while more than the limit is free, in bytes and in part."""
    details = disk(tmp_path / "not" / "there", free_bytes=1, free_ratio=0.0)()
    assert details is not None
    assert details["free_bytes"] > 0
    assert 0 < details["free_ratio"] <= 1
    for limits in ({"free_bytes": 2**62}, {"free_ratio": 1.01}):
        with pytest.raises(HealthCheckError, match="nearly full") as caught:
            disk(tmp_path, **limits)()
        assert caught.value.details["free_bytes"] > 0
