"""The gateway's parts, small: a broker in memory, SQLite and a folder."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.memory import MemoryBroker
from voxtrace_services.core.retries import RetryPolicy
from voxtrace_services.gateway import app, relay
from voxtrace_services.gateway.jobs import Job, Jobs
from voxtrace_services.gateway.settings import GatewaySettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastapi import FastAPI


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A gateway application and what it works on."""

    app: FastAPI
    jobs: Jobs
    store: ArtifactStore
    broker: MemoryBroker
    artifacts: Path


@pytest.fixture
def broker() -> MemoryBroker:
    """An empty broker in memory, without retries."""
    return MemoryBroker(policy=RetryPolicy(()))


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """An empty job database."""
    with closing(Jobs(f"sqlite:///{tmp_path}/jobs.db")) as jobs:
        yield jobs


@pytest.fixture
def add(jobs: Jobs) -> Callable[..., Job]:
    """Add a job with the given columns, and return it."""

    def add(job_id: str, **columns: Any) -> Job:
        facts = {"created_at": datetime.now(UTC), "audio_duration": 1.0, "target_language": "es", **columns}
        job = Job(id=job_id, **facts)
        with jobs.adding(job):
            pass
        return job

    return add


@pytest.fixture
def settings() -> GatewaySettings:
    """Small limits."""
    return GatewaySettings(max_upload_bytes=100_000, max_audio_seconds=2.0, supported_targets=("es", "fr"))


@pytest.fixture
def gateway(
    tmp_path: Path,
    settings: GatewaySettings,
    jobs: Jobs,
    broker: MemoryBroker,
    monkeypatch: pytest.MonkeyPatch,
) -> Gateway:
    """A gateway that is not running yet; its relay sends when woken, and does not look by itself."""
    monkeypatch.setattr(relay, "_IDLE_SECONDS", 600.0)
    store = ArtifactStore((tmp_path / "artifacts").as_uri())
    made = app.create(settings=settings, jobs=jobs, store=store, broker=broker)
    return Gateway(app=made, jobs=jobs, store=store, broker=broker, artifacts=tmp_path / "artifacts")


@pytest.fixture
def client(gateway: Gateway) -> Iterator[TestClient]:
    """A client of the running gateway."""
    with TestClient(gateway.app, raise_server_exceptions=False) as client:
        yield client
