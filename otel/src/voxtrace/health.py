"""Answer "is this service well?", as a report and over HTTP."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from voxtrace.errors import HealthCheckError

__all__ = ["Health", "HealthServer", "serve"]


class Health:
    """
    A service's name, its uptime and its checks.

    A check is called without arguments and fails by raising. The type of the
    exception is published; its text only if it is a `HealthCheckError`, for a
    foreign text may hold an address, a password or a file name.
    """

    def __init__(self, service: str, checks: Mapping[str, Callable[[], None]] | None = None) -> None:
        self._service = service
        self._checks = dict(checks or {})
        self._started = time.monotonic()

    def report(self) -> dict[str, Any]:
        """Run every check and return what they say, ready for JSON."""
        checks = {name: _run(check) for name, check in self._checks.items()}
        well = all(check["status"] == "ok" for check in checks.values())
        return {
            "service": self._service,
            "status": "ok" if well else "failing",
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "checks": checks,
        }


class HealthServer:
    """A running health endpoint; close it, or use it as a context manager."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name="voxtrace-health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port the endpoint listens on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop listening; calling it again does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def serve(health: Health, *, host: str = "127.0.0.1", port: int = 0) -> HealthServer:
    """
    Serve ``GET /health`` from a daemon thread: 200 when well, 503 when failing.

    Args:
        health: The report to serve.
        host: The address to listen on; loopback unless you say otherwise.
        port: The port to listen on; 0 takes a free one.
    """

    class Handler(_Handler):
        report = staticmethod(health.report)

    return HealthServer(_Server((host, port), Handler))


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    report: Callable[[], dict[str, Any]]
    # A client that connects and says nothing must not hold a thread for ever.
    timeout = 10

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/health":
            self._answer(HTTPStatus.NOT_FOUND, {"detail": "The health report is at /health."})
            return
        report = self.report()
        status = HTTPStatus.OK if report["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, report)

    def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own signature
        """Stay silent: a probe every few seconds is no news."""


def _run(check: Callable[[], None]) -> dict[str, str]:
    try:
        check()
    except HealthCheckError as error:
        return {"status": "failing", "detail": str(error)}
    except Exception as error:  # noqa: BLE001  # any exception is the check's way to say no
        return {"status": "failing", "detail": type(error).__qualname__}
    return {"status": "ok"}
