"""Asking a backend for traces and rates, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from voxtrace_services.cli.backend import Backend, Rate, first_document
from voxtrace_services.cli.errors import TraceMissingError, UnreachableError

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
Serve = Callable[[Mapping[str, tuple[int, Any]]], str]


class TestBackend:
    """One server."""

    def test_trace(self, serve: Serve, upload_document: dict[str, Any]) -> None:
        """A known trace comes back with its spans."""
        url = serve({f"GET /api/v3/traces/{TRACE_ID}": (200, {"result": upload_document})})
        trace = Backend(name="console", url=url).trace(TRACE_ID)

        assert trace is not None
        assert len(trace.spans) == 10

    def test_unknown_trace(self, serve: Serve) -> None:
        """A trace that the backend does not know is None, not an error."""
        assert Backend(name="console", url=serve({})).trace(TRACE_ID) is None

    def test_trace_ids(self, serve: Serve, upload_document: dict[str, Any]) -> None:
        """A search by upload names its trace once, and no other: Jaeger 2.13 answers with all there are."""
        url = serve({"GET /api/v3/traces": (200, {"result": upload_document})})
        jaeger = Backend(name="jaeger", url=url)

        assert (jaeger.trace_ids("an-upload"), jaeger.trace_ids("another")) == ((TRACE_ID,), ())

    def test_newest(self, serve: Serve, upload_document: dict[str, Any]) -> None:
        """A search by operation answers with a trace; none found is none."""
        url = serve({"GET /api/v3/traces": (200, {"result": upload_document})})
        newest = Backend(name="console", url=url).newest("asr", "speech.asr.encode")

        assert newest is not None
        assert newest.trace_id == TRACE_ID
        assert Backend(name="console", url=serve({})).newest("asr", "speech.asr.encode") is None

    def test_rates(self, serve: Serve) -> None:
        """RED rows are read as they are, missing quantiles included."""
        row = {
            "service": "asr",
            "operation": "process speech:transcribe",
            "kind": "CONSUMER",
            "calls": 2,
            "errors": 1,
            "rate": 0.5,
            "p50": 0.1,
            "p95": None,
            "p99": None,
        }
        url = serve({"GET /api/red": (200, {"window": 60, "rows": [row]})})

        assert Backend(name="console", url=url).rates(60) == (Rate(**row),)

    def test_nobody_there(self, dead_url: str) -> None:
        """A dead address is named together with the command that helps."""
        with pytest.raises(UnreachableError, match=rf"No console answers at {dead_url}.*voxtrace up"):
            Backend(name="console", url=dead_url).trace(TRACE_ID)

    @pytest.mark.parametrize("answer", [(200, b"<html>"), (500, {"detail": "x"}), (200, [1])])
    def test_somebody_else_there(self, serve: Serve, answer: tuple[int, Any]) -> None:
        """What does not answer like a trace backend is not taken for one."""
        url = serve({f"GET /api/v3/traces/{TRACE_ID}": answer})

        with pytest.raises(UnreachableError, match="is the address right"):
            Backend(name="console", url=url).trace(TRACE_ID)

    def test_settled(self, serve: Serve, upload_document: dict[str, Any]) -> None:
        """A trace that never becomes whole is returned as far as it came, at the deadline."""
        url = serve({f"GET /api/v3/traces/{TRACE_ID}": (200, {"result": upload_document})})
        backend = Backend(name="console", url=url)

        whole = backend.settled_trace(TRACE_ID, last="process speech:translate", seconds=30)
        partial = backend.settled_trace(TRACE_ID, last="process speech:events", seconds=0)

        assert whole == partial


class TestFirstDocument:
    """Several servers."""

    def test_second_knows(self, serve: Serve, dead_url: str, upload_document: dict[str, Any]) -> None:
        """A dead backend does not hide what the next one knows."""
        url = serve({f"GET /api/v3/traces/{TRACE_ID}": (200, {"result": upload_document})})
        dead, alive = Backend(name="console", url=dead_url), Backend(name="jaeger", url=url)

        assert first_document([dead, alive], TRACE_ID) == (alive, upload_document)

    def test_none_knows(self, serve: Serve, dead_url: str) -> None:
        """When those that answer do not know it, the trace is missing."""
        backends = [Backend(name="console", url=serve({})), Backend(name="jaeger", url=dead_url)]

        with pytest.raises(TraceMissingError, match=TRACE_ID):
            first_document(backends, TRACE_ID)

    def test_none_answers(self, dead_url: str) -> None:
        """When nobody answers, that is what is said."""
        with pytest.raises(UnreachableError, match=dead_url):
            first_document([Backend(name="console", url=dead_url)], TRACE_ID)
