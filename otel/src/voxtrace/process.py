"""The process's CPU, memory and disk, by opentelemetry-instrumentation-system-metrics, and their limits."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import psutil
from opentelemetry import metrics
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor
from opentelemetry.metrics import CallbackOptions, Observation

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace._limits import Limits
from voxtrace._version import __version__

__all__ = ["ProcessInstrumentor"]

_SCOPE: Final = "voxtrace.process"

#: Of the process alone: what else the machine does is its exporter's to say, once and not by each service.
_METRICS: Final = {
    "process.cpu.time": ["user", "system"],
    "process.cpu.utilization": None,
    "process.memory.usage": None,
    "process.memory.virtual": None,
    "process.disk.io": ["read", "write"],
    "process.thread.count": None,
    "process.open_file_descriptor.count": None,
}


class ProcessInstrumentor(SystemMetricsInstrumentor):
    """Upstream's instrumentor, asked for the process alone; and the process's limits and uptime."""

    def __init__(self, config: dict[str, list[str] | None] | None = None, **options: Any) -> None:
        """
        Make the instrumentor.

        Args:
            config: The metrics to observe, as upstream takes them; those of the process if not given.
            options: As upstream takes them.
        """
        super().__init__(config=dict(_METRICS) if config is None else config, **options)

    def _instrument(self, **kwargs: Any) -> None:
        super()._instrument(**kwargs)
        meter = metrics.get_meter(_SCOPE, __version__, kwargs.get("meter_provider"), semconv.SCHEMA_URL)
        limits = Limits()
        semconv.METRIC_PROCESS_UPTIME.observable_gauge(meter, _observed(_uptime))
        semconv.METRIC_VOXTRACE_PROCESS_MEMORY_LIMIT.observable_gauge(meter, _observed(limits.memory))
        semconv.METRIC_VOXTRACE_PROCESS_CPU_LIMIT.observable_gauge(meter, _observed(limits.cpus))


def _observed(read: Callable[[], float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        with guarded("measure the process"):
            return [Observation(read())]
        return []

    return observe


def _uptime() -> float:
    # A clock that was set back makes no time negative.
    return max(time.time() - psutil.Process().create_time(), 0.0)
