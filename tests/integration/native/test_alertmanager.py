"""An alert of the real rules reaches somebody, through the real Prometheus and Alertmanager."""

from __future__ import annotations

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from voxtrace_services.native import Group, Ports, Process, alertmanager, prometheus
from voxtrace_services.native.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A minute's patience is two seconds.
SCALE = {"VOXTRACE_RULE_TIME_SCALE": "30"}


@pytest.fixture(name="told")
def _told() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """A webhook receiver: its address, and what it is told."""
    told: queue.Queue[dict[str, Any]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer((LOOPBACK, 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{LOOPBACK}:{server.server_port}/", told
    server.shutdown()
    server.server_close()


def test_an_alert_reaches_a_webhook(tmp_path: Path, told: tuple[str, queue.Queue[dict[str, Any]]]) -> None:
    """With no Collector and no broker, both are missed, each in a message with its texts and links."""
    address, messages = told
    ports = Ports.free()
    commands = [
        alertmanager.command(
            tmp_path / "alertmanager",
            ports=ports,
            environment={**SCALE, "VOXTRACE_ALERT_WEBHOOK_URL": address},
        ),
        prometheus.command(
            tmp_path / "prometheus",
            ports=ports,
            environment={**SCALE, "VOXTRACE_RUNBOOKS_URL": "https://example.com/voxtrace"},
        ),
    ]
    with Group(lambda: [[Process(command, log=tmp_path / f"{command.name}.log") for command in commands]]):
        found: dict[str, dict[str, Any]] = {}
        while found.keys() != {"CollectorDown", "BrokerDown"}:
            message = messages.get(timeout=60)
            found[message["commonLabels"]["alertname"]] = message
        message = found["CollectorDown"]
        assert (message["receiver"], message["status"]) == ("page", "firing")
        assert message["groupLabels"] == {"alertname": "CollectorDown", "service": "collector"}
        notes = message["commonAnnotations"]
        assert notes["summary"] == "The Collector does not answer"
        assert notes["runbook_url"] == "https://example.com/voxtrace/docs/runbooks/CollectorDown.md"
        assert notes["dashboard"] == "/d/voxtrace-collector"
        for link in (message["externalURL"], message["alerts"][0]["generatorURL"]):
            assert httpx.get(link, follow_redirects=True, trust_env=False).status_code == 200
