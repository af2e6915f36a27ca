"""One more OTLP back end is a matter of two variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from integration.native.sending import log, send
from integration.native.waiting import eventually
from voxtrace_services.native import Command, Ports, Process, readiness
from voxtrace_services.native.backends import collector
from voxtrace_services.native.builds import COLLECTOR
from voxtrace_services.native.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Awkward on purpose: each of these signs means something to the list, to YAML or to the Collector.
_CREDENTIAL = 't$HOME${env:HOME}"=,%'
_ENCODED = "t%24HOME%24%7Benv%3AHOME%7D%22%3D%2C%25"

_BACKEND = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{otlp}
        auth: {{authenticator: bearertokenauth}}
extensions:
  bearertokenauth: {{filename: {credential}}}
  health_check: {{endpoint: 127.0.0.1:{health}}}
exporters:
  debug: {{verbosity: detailed}}
service:
  extensions: [bearertokenauth, health_check]
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug]}}
    metrics: {{receivers: [otlp], exporters: [debug]}}
    logs: {{receivers: [otlp], exporters: [debug]}}
  telemetry: {{metrics: {{level: none}}, logs: {{sampling: {{enabled: false}}}}}}
"""


class _Backend:
    """A second Collector that lets in who knows the credential and writes down what it is sent."""

    def __init__(self, folder: Path) -> None:
        otlp, health = free_ports(2)
        credential = folder / "credential"
        credential.write_text(_CREDENTIAL)
        config = folder / "backend.yaml"
        config.write_text(_BACKEND.format(otlp=otlp, health=health, credential=credential))
        self.endpoint = f"http://{LOOPBACK}:{otlp}"
        self.process = Process(
            Command(
                name="backend",
                argv=(str(COLLECTOR.find()), "--config", str(config)),
                ready=readiness.http(f"http://{LOOPBACK}:{health}/"),
            ),
            log=folder / "backend.log",
        )

    def log_bodies(self) -> set[str]:
        return set(re.findall(r"^Body: Str\((.*)\)$", self.process.log.read_text(), re.MULTILINE))

    def span_ids(self) -> set[str]:
        return set(re.findall(r"^    ID +: ([0-9a-f]{16})$", self.process.log.read_text(), re.MULTILINE))


@pytest.fixture(name="backend")
def _backend(tmp_path: Path) -> Iterator[_Backend]:
    backend = _Backend(tmp_path)
    backend.process.start()
    yield backend
    backend.process.stop()


@pytest.mark.parametrize(
    "headers",
    [
        f"authorization=Bearer%20{_ENCODED},x-team=speech",
        '{"authorization": "Bearer t$HOME${env:HOME}\\"=,%"}',
    ],
    ids=["list", "object"],
)
def test_two_variables_add_a_back_end(tmp_path: Path, backend: _Backend, headers: str) -> None:
    """With endpoint and headers set, and nothing else, a guarded back end gets the same spans and logs."""
    ports = Ports.free()
    environment = {"VOXTRACE_OTLP_ENDPOINT": backend.endpoint, "VOXTRACE_OTLP_HEADERS": headers}
    process = Process(
        collector(tmp_path / "collector", ports=ports, layers=(), environment=environment),
        log=tmp_path / "collector.log",
    )
    process.start()
    try:
        endpoint = f"http://{LOOPBACK}:{ports.collector_http}"
        sent = send(endpoint, service="anywhere", count=5)
        log(endpoint, service="anywhere", body="all is said")

        def condition() -> None:
            assert backend.span_ids() == {span_id for _, span_id in sent}
            assert backend.log_bodies() == {"all is said"}

        eventually(condition)
    finally:
        process.stop()


def test_the_back_end_is_guarded(backend: _Backend) -> None:
    """The back end of these tests refuses who sends no credential."""
    answer = httpx.post(f"{backend.endpoint}/v1/traces", json={}, trust_env=False)

    assert answer.status_code == 401
