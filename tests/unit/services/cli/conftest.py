"""A trace as a backend sends it, and a server that answers as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
START = 1_700_000_000_000_000_000
MILLISECOND = 1_000_000

Route = Callable[[str], tuple[int, Any]]


def span(  # noqa: PLR0917 - a table of spans reads by position
    span_id: str,
    parent_id: str,
    name: str,
    kind: int | str,
    since: float,
    until: float,
    *,
    error: bool = False,
    attributes: Mapping[str, str | int] | None = None,
) -> dict[str, Any]:
    """Build one span of OTLP JSON; times are milliseconds from the start of the trace."""
    return {
        "traceId": TRACE_ID,
        "spanId": span_id,
        "parentSpanId": parent_id,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(START + int(since * MILLISECOND)),
        "endTimeUnixNano": str(START + int(until * MILLISECOND)),
        "status": {"code": 2} if error else {},
        "attributes": [
            {
                "key": key,
                "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
            }
            for key, value in (attributes or {}).items()
        ],
    }


def document(**services: list[dict[str, Any]]) -> dict[str, Any]:
    """Build OTLP JSON of the spans of each service."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                "scopeSpans": [{"scope": {"name": "test"}, "spans": spans}],
            }
            for service, spans in services.items()
        ]
    }


@pytest.fixture(name="upload_document")
def _upload_document() -> dict[str, Any]:
    """One upload through gateway, asr and translation; the translation failed at its second attempt."""
    return document(
        gateway=[
            span("01", "", "POST /v1/uploads", 2, 0, 18),
            span(
                "02",
                "01",
                "publish speech:transcribe",
                4,
                19,
                22,
                attributes={"messaging.message.conversation_id": "an-upload"},
            ),
        ],
        asr=[
            span("03", "02", "wait transcribe", 1, 22, 240),
            span("04", "02", "process speech:transcribe", 5, 240, 1890),
            span(
                "05",
                "04",
                "speech_to_text tiny.en",
                1,
                242,
                1880,
                attributes={"gen_ai.operation.name": "speech_to_text"},
            ),
            span("06", "05", "speech.asr.encode", 1, 341, 900),
            span("07", "05", "speech.asr.decode", 1, 901, 1879),
            span("08", "04", "publish speech:translate", 4, 1882, 1888),
        ],
        translation=[
            span("09", "08", "wait translate", "SPAN_KIND_INTERNAL", 1885, 1893),
            span(
                "0a",
                "08",
                "process speech:translate",
                "SPAN_KIND_CONSUMER",
                1893,
                2000,
                error=True,
                attributes={"error.type": "TranslationError", "voxtrace.messaging.delivery.attempt": 2},
            ),
        ],
    )


@pytest.fixture(name="serve")
def _serve() -> Iterator[Callable[[Mapping[str, tuple[int, Any]]], str]]:
    """Serve fixed answers, `{"GET /path": (status, body)}`; bytes go out as they are."""
    servers: list[ThreadingHTTPServer] = []

    def serve(routes: Mapping[str, tuple[int, Any]]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(routes))
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def _handler(routes: Mapping[str, tuple[int, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            path = self.path.partition("?")[0]
            status, body = routes.get(f"{self.command} {path}", (404, {"error": {"code": 404}}))
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = _answer  # noqa: N815 - the names http.server looks for

        def log_message(self, *args: object) -> None:
            """Say nothing: pytest's output is for failures."""

    return Handler


@pytest.fixture(name="dead_url")
def _dead_url() -> str:
    """An address where nobody listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_address[1]
    server.server_close()
    return f"http://127.0.0.1:{port}"
