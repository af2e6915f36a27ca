"""Where a person opens a trace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from voxtrace_services.cli.page import public_page
from voxtrace_services.native.ports import LOOPBACK, free_ports

TRACE = "ab" * 16


class _Unknown(BaseHTTPRequestHandler):
    """A server that is there and knows no trace yet."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(name="server")
def _server() -> Iterator[str]:
    """The address of a server that answers."""
    with HTTPServer((LOOPBACK, 0), _Unknown) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
        server.shutdown()
        serving.join()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told unless a test does."""
    for name in ("JAEGER", "CONSOLE"):
        monkeypatch.delenv(f"VOXTRACE_{name}_URL", raising=False)
        monkeypatch.delenv(f"VOXTRACE_{name}_PUBLIC_URL", raising=False)


def test_jaeger_is_opened_where_it_answers(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """Asked by one address, Jaeger is shown by the other."""
    monkeypatch.setenv("VOXTRACE_JAEGER_URL", server)
    monkeypatch.setenv("VOXTRACE_JAEGER_PUBLIC_URL", "http://jaeger.example/")
    monkeypatch.setenv("VOXTRACE_CONSOLE_PUBLIC_URL", "http://console.example")

    assert public_page(TRACE) == f"http://jaeger.example/trace/{TRACE}"


def test_without_jaeger_it_is_the_console(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """Where no Jaeger answers, the console's address is shown."""
    monkeypatch.setenv("VOXTRACE_JAEGER_PUBLIC_URL", f"http://{LOOPBACK}:{free_ports(1)[0]}")
    monkeypatch.setenv("VOXTRACE_CONSOLE_PUBLIC_URL", server)

    assert public_page(TRACE) == f"{server}/api/v3/traces/{TRACE}"


def test_natively_nothing_is_said() -> None:
    """Without a public address there is none to show."""
    assert public_page(TRACE) is None
