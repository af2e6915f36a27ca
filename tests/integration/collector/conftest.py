"""Collectors on free ports, each with the layers that a test names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from voxtrace_services.native import Ports, Process
from voxtrace_services.native.backends import collector
from voxtrace_services.native.ports import LOOPBACK


@dataclass(frozen=True)
class Running:
    """One Collector."""

    ports: Ports
    process: Process

    @property
    def endpoint(self) -> str:
        """Where it takes OTLP over HTTP."""
        return f"http://{LOOPBACK}:{self.ports.collector_http}"

    @property
    def metrics(self) -> str:
        """Where Prometheus reads what services report."""
        return f"http://{LOOPBACK}:{self.ports.collector_metrics}/metrics"

    @property
    def self_metrics(self) -> str:
        """Where Prometheus reads what it says of itself."""
        return f"http://{LOOPBACK}:{self.ports.collector_self_metrics}/metrics"


Start = Callable[..., Running]


@pytest.fixture(name="start_collector", scope="module")
def _start_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a Collector with some layers and variables; all of them end with the module's tests."""
    running: list[Running] = []

    def start(*layers: str, **environment: str) -> Running:
        folder, ports = tmp_path_factory.mktemp("collector"), Ports.free()
        command = collector(folder / "queue", ports=ports, layers=layers, environment=environment)
        process = Process(command, log=folder / "collector.log")
        running.append(Running(ports, process))
        process.start()
        return running[-1]

    yield start
    for each in reversed(running):
        each.process.stop()
