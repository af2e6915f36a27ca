"""A service's health as one report."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from voxtrace.health.check import Check, Function
from voxtrace.health.resources import Resources
from voxtrace.health.watch import Watch

__all__ = ["Health"]

#: A report waits this long for checks that are asked anew; those who ask wait three seconds and more.
_PATIENCE_SECONDS: Final = 2.0


class Health:
    """
    A service's name, its uptime, its resources and its checks.

    A check is a `Check`, or a function that is then asked at every report.

    Args:
        service: The service's name.
        checks: The checks, by name.
        folder: Where the service keeps its files: the free space there is reported.
        patience: Seconds that a report waits for checks; of those that take longer it has the last result.
    """

    def __init__(
        self,
        service: str,
        checks: Mapping[str, Check | Function] | None = None,
        *,
        folder: str | Path = ".",
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._service = service
        self._watches = {
            name: Watch(name, check if isinstance(check, Check) else Check(check))
            for name, check in (checks or {}).items()
        }
        self._patience = patience
        self._resources = Resources(Path(folder))
        self._started = time.monotonic()

    def start(self) -> None:
        """Begin with the checks that have an interval, so that the first report knows their results."""
        for watch in self._watches.values():
            if watch.periodic:
                watch.begin()

    def report(self) -> dict[str, Any]:
        """Return what every check says, ready for JSON; a slow one does not hold it up."""
        for watch in self._watches.values():
            watch.begin()
        deadline = time.monotonic() + self._patience
        for watch in self._watches.values():
            watch.wait(deadline)
        checks = {name: watch.report() for name, watch in self._watches.items()}
        well = all(check["status"] == "ok" for check in checks.values())
        return {
            "service": self._service,
            "status": "ok" if well else "failing",
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "resources": self._resources.read(),
            "checks": checks,
        }

    def close(self) -> None:
        """End the checks that run in the background; a later report begins them again."""
        for watch in self._watches.values():
            watch.close()
