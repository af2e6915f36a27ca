"""GPUs, by a stand-in for NVIDIA's library: no GPU is here."""

# ruff: noqa: N802  # the names are NVIDIA's
from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from voxtrace.gpu import GpuInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace.testing import CapturedTelemetry


class Nvml(ModuleType):
    """The functions of `pynvml` that are called, for two GPUs."""

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.broken = False
        self.calls: list[str] = []

    def nvmlInit(self) -> None:
        """Begin."""
        self.calls.append("init")
        if self.broken:
            raise OSError

    def nvmlShutdown(self) -> None:
        """End."""
        self.calls.append("shutdown")

    def nvmlDeviceGetCount(self) -> int:
        """Two."""
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        """The handle of a GPU."""
        return index

    def nvmlDeviceGetUUID(self, device: int) -> str | bytes:
        """In bytes, as older releases answer."""
        return f"GPU-{device}".encode() if device else f"GPU-{device}"

    def nvmlDeviceGetName(self, device: int) -> str:
        """The product."""
        return "NVIDIA H100"

    def nvmlDeviceGetUtilizationRates(self, device: int) -> Any:
        """In percent."""
        if self.broken:
            raise OSError
        return SimpleNamespace(gpu=25 * (device + 1), memory=3)

    def nvmlDeviceGetMemoryInfo(self, device: int) -> Any:
        """In bytes."""
        return SimpleNamespace(used=1000 * (device + 1), total=80_000, free=0)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nvml]:
    """NVIDIA's library as one would import it."""
    module = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", module)
    yield module
    GpuInstrumentor().uninstrument()


def values(telemetry: CapturedTelemetry, metric: str) -> dict[str, float]:
    """The metric's value by GPU."""
    points = telemetry.metrics().get(metric, [])
    return {point["attributes"]["hw.id"]: point["value"] for point in points}


def test_each_gpu_is_observed(nvml: Nvml, telemetry: CapturedTelemetry) -> None:
    """Utilization is a share, memory is in bytes, and each GPU has its own name."""
    GpuInstrumentor().instrument(meter_provider=telemetry.meter_provider)
    assert values(telemetry, "hw.gpu.utilization") == {"GPU-0": 0.25, "GPU-1": 0.5}
    assert values(telemetry, "hw.gpu.memory.usage") == {"GPU-0": 1000, "GPU-1": 2000}
    assert values(telemetry, "hw.gpu.memory.limit") == {"GPU-0": 80_000, "GPU-1": 80_000}
    assert telemetry.metrics()["hw.gpu.utilization"][0]["attributes"] == {
        "hw.id": "GPU-0",
        "hw.name": "NVIDIA H100",
    }


def test_uninstrumented_gpus_are_left_alone(nvml: Nvml, telemetry: CapturedTelemetry) -> None:
    """After `uninstrument` nothing is read, and the library is let go once."""
    GpuInstrumentor().instrument(meter_provider=telemetry.meter_provider)
    GpuInstrumentor().instrument(meter_provider=telemetry.meter_provider)
    GpuInstrumentor().uninstrument()
    GpuInstrumentor().uninstrument()
    assert values(telemetry, "hw.gpu.utilization") == {}
    assert nvml.calls == ["init", "shutdown"]


def test_a_gpu_that_does_not_answer_costs_its_numbers_alone(nvml: Nvml, telemetry: CapturedTelemetry) -> None:
    """A driver that fails at a reading takes nothing else along."""
    GpuInstrumentor().instrument(meter_provider=telemetry.meter_provider)
    nvml.broken = True
    assert values(telemetry, "hw.gpu.utilization") == {}
    assert values(telemetry, "hw.gpu.memory.usage") == {"GPU-0": 1000, "GPU-1": 2000}


@pytest.mark.parametrize("absent", ["package", "driver"])
def test_without_a_gpu_there_is_nothing_and_no_word(
    nvml: Nvml,
    telemetry: CapturedTelemetry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    absent: str,
) -> None:
    """Without the package or the driver no metric is made and nothing is logged."""
    if absent == "package":
        monkeypatch.setitem(sys.modules, "pynvml", None)
    nvml.broken = True
    GpuInstrumentor().instrument(meter_provider=telemetry.meter_provider)
    assert telemetry.metrics() == {}
    assert caplog.records == []
