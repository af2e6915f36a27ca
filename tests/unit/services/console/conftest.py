"""A console in this process: its database, its writer and its HTTP side, on a clock that tests set."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message

from unit.services.console.samples import NOW
from voxtrace_services.console.app import create_app
from voxtrace_services.console.query import Query
from voxtrace_services.console.store import Store
from voxtrace_services.console.writer import Writer

PROTOBUF = {"Content-Type": "application/x-protobuf"}


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    ns: int = NOW

    def __call__(self) -> int:
        """Return nanoseconds since the epoch."""
        return self.ns


@dataclass
class Console:
    """The parts of a console, and a client of it."""

    store: Store
    writer: Writer
    clock: Clock
    http: httpx.AsyncClient
    query: Query = field(init=False)

    def __post_init__(self) -> None:
        self.query = Query(self.store)

    async def send(self, signal: str, request: Message) -> httpx.Response:
        """Send one request as protobuf and wait until it is in the database."""
        answer = await self.http.post(f"/v1/{signal}", content=request.SerializeToString(), headers=PROTOBUF)
        assert self.writer.flush(10)
        return answer

    async def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of a path that answers 200."""
        answer = await self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "console.duckdb")
    yield store
    store.close()


@pytest.fixture(name="console")
async def _console(store: Store, clock: Clock) -> AsyncIterator[Console]:
    writer = Writer(store, flush_seconds=0.01)
    writer.start()
    transport = httpx.ASGITransport(create_app(store, writer, clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield Console(store, writer, clock, http)
    assert writer.close(10)
