"""The report over HTTP, and what else an operator may ask of a process."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from voxtrace._guard import report
from voxtrace.health.report import Health

__all__ = ["Action", "Answer", "HealthServer", "Request", "serve"]


@dataclass(frozen=True)
class Request:
    """Who asks, with what: header names are in lower case, of a repeated name the last value counts."""

    peer: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What is answered, as JSON."""

    body: Mapping[str, Any]
    status: int = HTTPStatus.OK


#: Answers a POST, in a thread of its own.
Action = Callable[[Request], Answer]


class HealthServer:
    """A running health endpoint; close it, or use it as a context manager."""

    def __init__(self, server: ThreadingHTTPServer, health: Health) -> None:
        self._server = server
        self._health = health
        self._thread = threading.Thread(target=server.serve_forever, name="voxtrace-health", daemon=True)
        self._thread.start()
        health.start()

    @property
    def port(self) -> int:
        """The port the endpoint listens on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop listening and checking; calling it again does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._health.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def serve(
    health: Health,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    actions: Mapping[str, Action] | None = None,
) -> HealthServer:
    """
    Serve ``GET /health`` from a daemon thread: 200 when well, 503 when failing.

    Args:
        health: The report to serve.
        host: The address to listen on; loopback unless you say otherwise.
        port: The port to listen on; 0 takes a free one.
        actions: What a POST to a path does; whether the peer may ask for it is the action's to decide.
    """
    known = dict(actions or {})

    class Handler(_Handler):
        report = staticmethod(health.report)
        actions = known

    return HealthServer(_Server((host, port), Handler), health)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: the peer has gone, and what else goes wrong is answered and reported."""


class _Handler(BaseHTTPRequestHandler):
    report: Callable[[], dict[str, Any]]
    actions: Mapping[str, Action]
    # A client that connects and says nothing must not hold a thread for ever.
    timeout = 10

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/health":
            self._answer(HTTPStatus.NOT_FOUND, {"detail": "The health report is at /health."})
            return
        report = self.report()
        status = HTTPStatus.OK if report["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, report)

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        action = self.actions.get(path)
        if action is None:
            self._answer(HTTPStatus.NOT_FOUND, {"detail": "The health report is at GET /health."})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer = action(Request(self.client_address[0], dict(parse_qsl(query)), headers))
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            report(f"do what POST {path} asks for", error)
            answer = Answer({"detail": "It failed; the log says where."}, HTTPStatus.INTERNAL_SERVER_ERROR)
        self._answer(answer.status, answer.body)

    def _answer(self, status: int, body: Mapping[str, Any]) -> None:
        # Of what is no JSON the type is told: its text might be anything.
        content = json.dumps(body, default=lambda value: type(value).__qualname__).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own signature
        """Stay silent: a probe every few seconds is no news."""
