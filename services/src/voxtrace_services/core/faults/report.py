"""A health report that says which faults are on, so that nobody mistakes a drill for the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxtrace.health import Health

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from voxtrace.health import Check, Function
    from voxtrace_services.core.faults.injection import Injection


class FaultyHealth(Health):
    """A service's health, with its faults beside; they alone do not make it failing."""

    def __init__(
        self,
        service: str,
        checks: Mapping[str, Check | Function],
        *,
        folder: str | Path,
        faults: Injection,
    ) -> None:
        super().__init__(service, checks, folder=folder)
        self._faults = faults

    def report(self) -> dict[str, Any]:
        """Return what every check says, and the faults."""
        return {**super().report(), "faults": [fault.told() for fault in self._faults.all()]}
