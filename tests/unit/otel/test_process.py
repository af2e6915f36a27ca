"""The process's own CPU, memory and disk, and what it may use of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import registry

from voxtrace.process import ProcessInstrumentor

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry


def test_the_process_is_measured_and_nothing_else(telemetry: CapturedTelemetry) -> None:
    """CPU, memory, disk, threads and files of this process, as the schema has them; not the machine's use."""
    instrumentor = ProcessInstrumentor()
    instrumentor.instrument(meter_provider=telemetry.meter_provider)
    metrics = telemetry.metrics()
    instrumentor.uninstrument()
    promised = {
        one.metric_name
        for one in registry.load().metrics
        if one.metric_name.startswith(("process.", "voxtrace.process."))
    }
    assert metrics.keys() == promised
    assert metrics["process.memory.usage"][0]["value"] > 1_000_000
    assert {point["attributes"]["type"] for point in metrics["process.cpu.time"]} == {"user", "system"}
    assert {point["attributes"]["direction"] for point in metrics["process.disk.io"]} == {"read", "write"}


def test_the_limits_are_above_what_is_used(telemetry: CapturedTelemetry) -> None:
    """A process has run for some time, on less memory than it may use and on a processor at least in part."""
    instrumentor = ProcessInstrumentor()
    instrumentor.instrument(meter_provider=telemetry.meter_provider)
    metrics = {name: points[0]["value"] for name, points in telemetry.metrics().items() if "process." in name}
    instrumentor.uninstrument()
    assert metrics["process.memory.usage"] < metrics["voxtrace.process.memory.limit"]
    assert metrics["voxtrace.process.cpu.limit"] > 0
    assert metrics["process.uptime"] > 0
