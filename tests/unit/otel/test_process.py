"""The process's own CPU, memory and disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import registry

from voxtrace.process import ProcessInstrumentor

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry


def test_the_process_is_measured_and_nothing_else(telemetry: CapturedTelemetry) -> None:
    """CPU, memory, disk, threads and files of this process, as the schema has them; not the machine's."""
    instrumentor = ProcessInstrumentor()
    instrumentor.instrument(meter_provider=telemetry.meter_provider)
    metrics = telemetry.metrics()
    instrumentor.uninstrument()
    promised = {one.metric_name for one in registry.load().metrics if one.metric_name.startswith("process.")}
    assert metrics.keys() == promised
    assert metrics["process.memory.usage"][0]["value"] > 1_000_000
    assert {point["attributes"]["type"] for point in metrics["process.cpu.time"]} == {"user", "system"}
    assert {point["attributes"]["direction"] for point in metrics["process.disk.io"]} == {"read", "write"}
