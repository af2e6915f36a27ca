"""NVIDIA GPUs: how busy they are, and their memory; without a GPU there is nothing, and no word."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics
from opentelemetry.metrics import Observation

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from opentelemetry.metrics import CallbackOptions, MeterProvider

__all__ = ["GpuInstrumentor"]

_SCOPE: Final = "voxtrace.gpu"


class GpuInstrumentor:
    """An OpenTelemetry instrumentor of the GPUs that nvidia-ml-py sees; all instances are one."""

    _nvml: Any = None
    _observed = False

    def instrument(self, *, meter_provider: MeterProvider | None = None, **_: Any) -> None:
        """Observe the GPUs whenever metrics are collected; a second call changes nothing."""
        cls = type(self)
        if cls._nvml is not None:
            return
        try:
            nvml = importlib.import_module("pynvml")
            nvml.nvmlInit()
        except Exception:  # noqa: BLE001  # no package, no driver or no GPU: there is nothing to observe
            return
        cls._nvml = nvml
        # A meter keeps the callbacks of an instrument's first creation alone; they ask who is there.
        if not cls._observed or meter_provider is not None:
            cls._observed = True
            with guarded("observe the GPUs"):
                meter = metrics.get_meter(_SCOPE, __version__, meter_provider, semconv.SCHEMA_URL)
                semconv.METRIC_HW_GPU_UTILIZATION.observable_gauge(meter, self._observe(_utilization))
                semconv.METRIC_HW_GPU_MEMORY_USAGE.observable_gauge(meter, self._observe(_used))
                semconv.METRIC_HW_GPU_MEMORY_LIMIT.observable_gauge(meter, self._observe(_total))

    def uninstrument(self, **_: Any) -> None:
        """Observe nothing any more."""
        cls = type(self)
        nvml, cls._nvml = cls._nvml, None
        if nvml is not None:
            with guarded("let go of the GPUs"):
                nvml.nvmlShutdown()

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name no requirement: what is absent is left alone."""
        return ()

    @classmethod
    def _observe(
        cls, read: Callable[[Any, Any], float]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            found: list[Observation] = []
            nvml = cls._nvml
            if nvml is None:
                return found
            with guarded("read the GPUs"):
                for index in range(nvml.nvmlDeviceGetCount()):
                    device = nvml.nvmlDeviceGetHandleByIndex(index)
                    named = {
                        semconv.HW_ID: _text(nvml.nvmlDeviceGetUUID(device)),
                        semconv.HW_NAME: _text(nvml.nvmlDeviceGetName(device)),
                    }
                    found.append(Observation(read(nvml, device), named))
            return found

        return observe


def _utilization(nvml: Any, device: Any) -> float:
    return float(nvml.nvmlDeviceGetUtilizationRates(device).gpu / 100)


def _used(nvml: Any, device: Any) -> float:
    return int(nvml.nvmlDeviceGetMemoryInfo(device).used)


def _total(nvml: Any, device: Any) -> float:
    return int(nvml.nvmlDeviceGetMemoryInfo(device).total)


def _text(name: object) -> str:
    # Older releases answer in bytes.
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
