"""Tests of the edge: requests that a server takes from one connection, and those within a request."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from voxtrace.edge import FastAPIInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace.testing import CapturedTelemetry

BROWSER = ("198.51.100.7", 40000)
COLLEAGUE = ("10.1.2.3", 40000)
HIDDEN = {"traceparent": "00-deadbeefdeadbeefdeadbeefdeadbeef-00f067aa0ba902b7-00"}


@pytest.fixture(name="app")
def _app(telemetry: CapturedTelemetry) -> Iterator[FastAPI]:
    """An instrumented application without routes."""
    FastAPIInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        trusted_senders=["10.0.0.0/8"],
    )
    yield FastAPI()
    FastAPIInstrumentor().uninstrument()


def _get(app: FastAPI, path: str, *, peer: Any, headers: Any = None) -> None:
    async def call() -> None:
        transport = httpx.ASGITransport(app, client=peer)
        async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 200

    asyncio.run(call())


@pytest.mark.parametrize("first", [{}, HIDDEN], ids=["recorded", "not recorded"])
def test_the_next_request_on_a_connection_has_a_trace_of_its_own(
    app: FastAPI, telemetry: CapturedTelemetry, first: dict[str, str]
) -> None:
    """A request that the server starts in the context of one that ended has a trace of its own."""
    left: list[contextvars.Context] = []

    @app.get("/upload")
    async def upload() -> None:
        # As uvicorn does when the application asks for more of a body of which it had read enough.
        left.append(contextvars.copy_context())

    _get(app, "/upload", peer=COLLEAGUE, headers=first)
    left[0].run(_get, app, "/upload", peer=COLLEAGUE)

    spans = telemetry.spans()
    assert [span["kind"] for span in spans] == ["SERVER"] * (1 if first else 2)
    assert len({span["trace"] for span in spans}) == len(spans)
    assert "parent" not in spans[-1]


@pytest.mark.parametrize(("peer", "traces"), [(BROWSER, 2), (("testclient", 50000), 1)])
def test_a_request_within_a_request_belongs_to_it_unless_it_is_the_next_of_its_connection(
    app: FastAPI, telemetry: CapturedTelemetry, peer: Any, traces: int
) -> None:
    """What an application asks itself is a part of what it was asked; what its client asks next is not."""

    @app.get("/upload")
    async def upload() -> None:
        await asyncio.to_thread(_get, app, "/next", peer=peer)

    @app.get("/next")
    async def following() -> None:
        """Answer."""

    _get(app, "/upload", peer=BROWSER)

    spans = telemetry.spans()
    assert [span["name"] for span in spans] == ["GET /upload", "GET /next"]
    assert len({span["trace"] for span in spans}) == traces
