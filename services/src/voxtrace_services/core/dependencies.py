"""Health checks that more than one service has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxtrace import health

if TYPE_CHECKING:
    from voxtrace_services.core.artifacts import ArtifactStore
    from voxtrace_services.core.settings import Settings


def of(store: ArtifactStore, settings: Settings) -> dict[str, health.Function]:
    """The checks of the artifact store: it can be written, and where it is on a disk, that has room."""
    checks: dict[str, health.Function] = {"artifacts": store.check}
    if store.folder is not None:
        checks["disk"] = health.disk(store.folder, free_bytes=settings.disk_free_bytes)
    return checks
