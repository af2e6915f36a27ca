"""The process's own CPU, memory and disk, by opentelemetry-instrumentation-system-metrics."""

from typing import Any, Final

from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor

__all__ = ["ProcessInstrumentor"]

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
    """Upstream's instrumentor, asked for the process's metrics alone."""

    def __init__(self, config: dict[str, list[str] | None] | None = None, **options: Any) -> None:
        """
        Make the instrumentor.

        Args:
            config: The metrics to observe, as upstream takes them; those of the process if not given.
            options: As upstream takes them.
        """
        super().__init__(config=dict(_METRICS) if config is None else config, **options)
