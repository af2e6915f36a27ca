"""Outside of the stack: a webhook that Alertmanager calls, and a user's back end that can refuse."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One alert as Alertmanager told it; `at` is of the monotonic clock."""

    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    at: float

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether it has these labels, among others."""
        return labels.items() <= self.labels.items()


class Receiver:
    """Keeps every notification, in the order of arrival."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._told: list[Notification] = []
        self._server = _serve(self._received)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def told(self, labels: Mapping[str, str], *, status: str, since: float = 0.0) -> Notification | None:
        """The first notification of that status with these labels since a moment."""
        with self._changed:
            found = (one for one in self._told if one.status == status and one.at >= since)
            return next((one for one in found if one.has(labels)), None)

    def active(self, labels: Mapping[str, str]) -> bool:
        """Whether the last that was told of any alert with these labels is that it fires."""
        last: dict[frozenset[tuple[str, str]], str] = {}
        with self._changed:
            for one in self._told:
                if one.has(labels):
                    last[frozenset(one.labels.items())] = one.status
        return "firing" in last.values()

    def wait(
        self, labels: Mapping[str, str], *, status: str, since: float, seconds: float
    ) -> Notification | None:
        """Wait for such a notification; None if none comes in time."""
        deadline = time.monotonic() + seconds
        while (found := self.told(labels, status=status, since=since)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            with self._changed:
                self._changed.wait(min(left, 0.5))
        return found

    def _received(self, request: BaseHTTPRequestHandler, body: bytes) -> int:
        now = time.monotonic()
        alerts: list[dict[str, Any]] = json.loads(body)["alerts"]
        with self._changed:
            self._told += [
                Notification(
                    status=alert["status"], labels=alert["labels"], annotations=alert["annotations"], at=now
                )
                for alert in alerts
            ]
            self._changed.notify_all()
        return 200


class Backend:
    """An OTLP back end that takes everything, until `status` says otherwise."""

    def __init__(self) -> None:
        self.status = 200
        self._server = _serve(lambda _request, _body: self.status)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _serve(answer: Any) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status = answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own signature
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="receiver", daemon=True).start()
    return server
