"""Translations in a real Redis: kept safely, shared, and gone for a while."""

from __future__ import annotations

import pickle
import signal
import time
from typing import TYPE_CHECKING

import pytest

from integration.translation.server import RedisServer, silent
from voxtrace_services.translation import store
from voxtrace_services.translation.cache import key_of
from voxtrace_services.translation.store import Kept, Store, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = key_of("apertium", "en", "es", "canary")


class Bomb:
    """What must not be unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return pytest.fail, ("it was unpickled",)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was away is asked again at once."""
    monkeypatch.setattr(store, "BACK_OFF_SECONDS", 0.0)


@pytest.fixture(name="open_store")
def _open_store() -> Iterator[Callable[[str], Store]]:
    """A factory of stores; their connections are closed."""
    opened: list[Store] = []

    def open_store(url: str) -> Store:
        opened.append(store.in_redis(url, seconds=59.5))
        return opened[-1]

    yield open_store
    for each in opened:
        each._region.actual_backend.writer_client.close()


def test_what_one_keeps_another_finds(server: RedisServer, open_store: Callable[[str], Store]) -> None:
    """A translation is there for others until it expires, under a key without a word; others are not."""
    one, other = open_store(server.url), open_store(server.url)
    assert one.find(KEY) is None
    one.keep(KEY, "¡Año!\n'\"")
    found = other.find(KEY)
    assert found is not None
    assert found.text == "¡Año!\n'\""
    assert 0 <= found.age < 30
    assert server.client.keys() == [KEY.encode()]
    assert 0 < server.client.ttl(KEY) <= 60
    assert b"canary" not in KEY.encode()


GARBAGE = {
    "nothing": b"",
    "no metadata": b"|",
    "a pickle": pickle.dumps(Bomb()),
    "a pickle in our form": b'{"ct": 9e9, "v": 2}|' + pickle.dumps(Bomb()),
    "no text": b'{"ct": 9e9, "v": 2}|[1]',
    "half a text": b'{"ct": 9e9, "v": 2}|"cut off',
    "half a character": b'{"ct": 9e9, "v": 2}|"\\ud800"',
    "no time": b'{"ct": "noon", "v": 2}|"text"',
    "no such metadata": b'[1]|"text"',
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("value", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_no_translation(
    server: RedisServer, open_store: Callable[[str], Store], value: bytes
) -> None:
    """Whatever lies under a key, it is never run nor given out; the next translation takes its place."""
    server.client.set(KEY, value)
    kept = open_store(server.url)
    with pytest.raises(UnavailableError):
        kept.find(KEY)
    kept.keep(KEY, "texto")
    found = kept.find(KEY)
    assert found is not None
    assert found.text == "texto"


@pytest.mark.usefixtures("impatient")
def test_a_redis_that_is_killed_comes_back(server: RedisServer, open_store: Callable[[str], Store]) -> None:
    """After a kill there is no telling, and keeping is no error; after a restart it is used again."""
    kept = open_store(server.url)
    kept.keep(KEY, "texto")
    server.process.kill()
    started = time.monotonic()
    with pytest.raises(UnavailableError):
        kept.find(KEY)
    kept.keep(KEY, "texto")
    assert time.monotonic() - started < 0.9
    server.process.start()
    assert kept.find(KEY) is None
    kept.keep(KEY, "texto")
    assert kept.find(KEY) == Kept("texto", pytest.approx(0, abs=30))


@pytest.mark.usefixtures("impatient")
def test_a_redis_that_hangs_holds_nobody_up(server: RedisServer, open_store: Callable[[str], Store]) -> None:
    """A server that stops to answer, or never did, costs well below a second and is unavailable."""
    kept = open_store(server.url)
    kept.keep(KEY, "texto")
    server.process.kill(signal.SIGSTOP)
    with silent() as mute:
        for each in (kept, open_store(f"redis://127.0.0.1:{mute.getsockname()[1]}/0")):
            started = time.monotonic()
            with pytest.raises(UnavailableError):
                each.find(KEY)
            assert time.monotonic() - started < 0.9
    server.process.kill(signal.SIGCONT)
    found = kept.find(KEY)
    assert found is not None
    assert found.text == "texto"
