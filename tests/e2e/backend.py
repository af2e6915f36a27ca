"""A second OTLP backend, of which the pipeline knows an address and a token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from voxtrace_services.native import Command, Process, readiness
from voxtrace_services.native.builds import COLLECTOR
from voxtrace_services.native.ports import free_ports

# How the debug exporter writes down a span, the start of a resource's data, and the resource's service.
_SPAN = re.compile(r"Trace ID +: ([0-9a-f]{32})\n +Parent ID +:.*\n +ID +: ([0-9a-f]{16})")
_RESOURCE = re.compile(r"\bResource(Spans|Metrics|Log) #\d+")
_SERVICE = re.compile(r"-> service\.name: Str\((\w+)\)")

TOKEN = "known-to-both"  # noqa: S105  a test's own


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Somebody else's Collector, and what it was sent."""

    endpoint: str
    process: Process

    @classmethod
    def make(cls, folder: Path) -> Backend:
        """Describe one on free ports; `process` starts and stops it."""
        port, health = free_ports(2)
        command = Command(
            name="backend",
            argv=(str(COLLECTOR.find()), "--config", str(Path(__file__).with_name("backend.yaml"))),
            environment={
                "BACKEND_PORT": str(port),
                "BACKEND_HEALTH_PORT": str(health),
                "BACKEND_TOKEN": TOKEN,
            },
            ready=readiness.http(f"http://127.0.0.1:{health}/"),
        )
        process = Process(command, log=folder / "backend.log")
        return cls(endpoint=f"http://127.0.0.1:{port}", process=process)

    def span_ids(self) -> dict[str, set[str]]:
        """Ids of the spans received, by trace."""
        found: dict[str, set[str]] = {}
        for trace_id, span_id in _SPAN.findall(self.process.log.read_text(encoding="utf-8")):
            found.setdefault(trace_id, set()).add(span_id)
        return found

    def services(self, signal: str) -> set[str]:
        """Services of which a signal (`Spans`, `Metrics` or `Log`) was received."""
        blocks = _RESOURCE.split(self.process.log.read_text(encoding="utf-8"))
        # The text before the first block, then a signal and its block, and so on.
        return {
            name
            for kind, block in zip(blocks[1::2], blocks[2::2], strict=True)
            if kind == signal
            for name in _SERVICE.findall(block)
        }
