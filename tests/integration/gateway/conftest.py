"""Gateways as real processes, and the databases that they can run on."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pika
import pytest
import sqlalchemy as sa

from integration.gateway.postgresql import PostgreSQL
from unit.services.gateway.sounds import wav
from unit.services.gateway.waiting import until
from voxtrace_services.core.settings import Settings
from voxtrace_services.core.topology import Topology
from voxtrace_services.native import Command, Ports, Process, readiness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from voxtrace_services.native import RabbitMQ

# Kept from a developer's own environment, which may point anywhere.
_WITHHELD = ("VOXTRACE_", "OTEL_")


@dataclass
class Gateway:
    """One gateway process; started again, it finds what it left."""

    folder: Path
    amqp_url: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        port = Ports.free().gateway
        self.url = f"http://127.0.0.1:{port}"
        self.artifacts = self.folder / "artifacts"
        self.log = self.folder / "gateway.log"
        environment = {
            "VOXTRACE_AMQP_URL": self.amqp_url,
            "VOXTRACE_ARTIFACTS_URL": self.artifacts.as_uri(),
            "VOXTRACE_DATABASE_URL": f"sqlite:///{self.folder}/jobs.db",
            "VOXTRACE_GATEWAY_PORT": str(port),
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            **self.settings,
        }
        self.process = Process(
            Command(
                name="gateway",
                argv=(sys.executable, "-m", "voxtrace_services.gateway"),
                ports={"gateway": port},
                ready=readiness.tcp(port),
                environment=environment,
                without=_WITHHELD,
            ),
            log=self.log,
        )

    def send(
        self, *, content: bytes | None = None, key: str | None = None, name: str = "x.wav", **fields: str
    ) -> httpx.Response:
        """Upload, by default a second of sound."""
        return httpx.post(
            f"{self.url}/v1/uploads",
            files={"audio": (name, wav() if content is None else content)},
            data=fields,
            headers={} if key is None else {"Idempotency-Key": key},
            timeout=60,
            trust_env=False,
        )

    def get(self, path: str) -> httpx.Response:
        """Ask for a path."""
        return httpx.get(f"{self.url}{path}", timeout=30, trust_env=False)

    def state(self, upload_id: str) -> str:
        """Say how an upload fares."""
        return str(self.get(f"/v1/uploads/{upload_id}").json()["state"])

    def stored(self) -> list[str]:
        """List what is in the artifact folder."""
        return sorted(
            str(path.relative_to(self.artifacts)) for path in self.artifacts.rglob("*") if path.is_file()
        )


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """A factory of gateways for one test, all on one folder; started unless told otherwise."""
    made: list[Gateway] = []

    def make(amqp_url: str, *, start: bool = True, **settings: str) -> Gateway:
        gateway = Gateway(tmp_path, amqp_url, settings)
        made.append(gateway)
        if start:
            gateway.process.start()
        return gateway

    yield make
    for gateway in made:
        gateway.process.stop()


@pytest.fixture(scope="module")
def amqp_url(rabbitmq: RabbitMQ) -> Iterator[str]:
    """The session's broker, left as it was found."""
    yield rabbitmq.url
    with closing(pika.BlockingConnection(pika.URLParameters(rabbitmq.url))) as connection:
        channel = connection.channel()
        for queue in Topology(Settings().retry_delays).queues:
            channel.queue_delete(queue.name)


def requests(amqp_url: str, *upload_ids: str) -> dict[str, list[Mapping[str, Any]]]:
    """Take the uploads' transcribe requests from the broker: the headers of each, by upload id."""
    taken: dict[str, list[Mapping[str, Any]]] = {upload_id: [] for upload_id in upload_ids}
    with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        channel = connection.channel()

        def take() -> bool:
            while (got := channel.basic_get("transcribe", auto_ack=True))[0] is not None:
                taken.setdefault(got[1].correlation_id, []).append(got[1].headers or {})
            return all(taken.values())

        until(take)
    return {upload_id: taken[upload_id] for upload_id in upload_ids}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One database server for the whole session."""
    server = PostgreSQL()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind that the gateway can keep its jobs in."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/jobs.db"
        return
    url = request.getfixturevalue("postgresql").url
    yield url
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS jobs"))
    engine.dispose()
