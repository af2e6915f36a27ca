"""
The exporters that the environment names, each made apart from the others.

The SDK makes them one after the other while it sets up, so that the first that
fails, such as a Prometheus endpoint whose port is taken, costs what comes after.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

from opentelemetry.sdk import _configuration as sdk
from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader

__all__ = ["each_exporter_apart"]

_logger = logging.getLogger("voxtrace")

_SIGNALS: Final = ("traces", "metrics", "logs")
_FREE_PORT: Final = "Set OTEL_EXPORTER_PROMETHEUS_PORT to a free port"


@contextlib.contextmanager
def each_exporter_apart() -> Iterator[None]:
    """While the SDK sets up inside, leave out what cannot be made, with one error each."""
    # The only seam: the SDK takes no exporters but by their names in the environment.
    original = sdk._import_exporters  # noqa: SLF001  # as above
    sdk._import_exporters = _import_exporters  # type: ignore[assignment]  # noqa: SLF001  # looser; as above
    try:
        yield
    finally:
        sdk._import_exporters = original  # noqa: SLF001  # as above


def _import_exporters(*names: Sequence[str]) -> Any:
    return tuple(
        {name: made for name in dict.fromkeys(asked) if (made := _attempt(signal, name)) is not None}
        for signal, asked in zip(_SIGNALS, names, strict=True)
    )


def _attempt(signal: str, name: str) -> type | None:
    """Make the exporter; return it in the form of a class, which is what the SDK calls."""
    try:
        ((_, kind),) = sdk._import_config_components([name], f"opentelemetry_{signal}_exporter")  # noqa: SLF001  # as above
        exporter = _made(kind)
        if isinstance(exporter, MetricExporter):
            exporter = PeriodicExportingMetricReader(exporter)
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not cost the other exporters
        advice = (
            _FREE_PORT if name == "prometheus" else f"Check OTEL_{signal.upper()}_EXPORTER and its settings"
        )
        # The text of the error belongs here: there are no users' words yet.
        _logger.error("No %s by the exporter %r: %s. %s; all else is set up.", signal, name, error, advice)  # noqa: TRY400  # one readable line
        return None
    bases = (MetricReader,) if signal == "metrics" else ()
    return type(kind.__name__, bases, {"__new__": lambda _cls: exporter})


def _made(kind: Any) -> Any:
    exporter = kind.__new__(kind)
    try:
        exporter.__init__()
    except BaseException:
        # Half made it may be registered already, as Prometheus' reader is.
        with contextlib.suppress(Exception):
            exporter.shutdown()
        raise
    return exporter
