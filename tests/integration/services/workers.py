"""Workers as real processes, and a hand on the broker they work for."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import moonshine_voice
import pika

from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.broker import Outgoing
from voxtrace_services.core.rabbitmq import RabbitMQBroker
from voxtrace_services.core.retries import RetryPolicy
from voxtrace_services.core.topology import Topology

RECORDINGS = Path(moonshine_voice.__file__).parent / "assets"
DELAYS = (0.2,)


@dataclass
class Worker:
    """One worker process."""

    service: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Signal it."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        """Its exit status."""
        return self.process.wait(seconds)

    def health(self) -> Any:
        """What /health says, None while nothing answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=5).json()
        except httpx.TransportError:
            return None

    def lines(self) -> list[dict[str, Any]]:
        """Every line it logged; each must be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@dataclass
class Site:
    """A broker, an artifact store and the workers that share them."""

    url: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    cleanup: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.store = ArtifactStore((self.folder / "artifacts").as_uri())
        self.broker = RabbitMQBroker(self.url, policy=RetryPolicy(DELAYS))
        self.cleanup.callback(self.broker.close)
        self.purge()
        self.cleanup.callback(self.purge)

    def start(self, service: str, **settings: str) -> Worker:
        """Start a worker and wait until it is ready."""
        port = free_port()
        log = self.folder / f"{service}-{port}.log"
        environment = {
            **os.environ,
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "VOXTRACE_AMQP_URL": self.url,
            "VOXTRACE_ARTIFACTS_URL": (self.folder / "artifacts").as_uri(),
            "VOXTRACE_RETRY_DELAYS": ",".join(map(str, DELAYS)),
            "VOXTRACE_HEALTH_PORT": str(port),
            **self.environment,
            **{f"VOXTRACE_{name.upper()}": value for name, value in settings.items()},
        }
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", f"voxtrace_services.{service}"], stderr=file, env=environment
            )
        worker = Worker(service, process, port, log)
        self.cleanup.callback(end, process)
        until(lambda: (worker.health() or {}).get("status") == "ok", within=60)
        until(lambda: any(line["event"] == "consuming" for line in worker.lines()))
        return worker

    def send(self, message: Outgoing) -> None:
        """Publish."""
        self.broker.publish(message)

    def take(self, queue: str, *, within: float = 60) -> tuple[dict[str, Any], bytes]:
        """Headers and body of the next message in a queue."""
        taken: list[tuple[dict[str, Any], bytes]] = []

        def look() -> bool:
            with self.channel() as channel:
                _, properties, body = channel.basic_get(queue, auto_ack=True)
                if properties is not None:
                    taken.append((properties.headers or {}, body))
            return bool(taken)

        until(look, within=within, every=0.1)
        return taken[0]

    def event(self, *, within: float = 60) -> Any:
        """The next job event."""
        return json.loads(self.take("events", within=within)[1])

    def waiting(self, queue: str) -> int:
        """How many messages wait in a queue."""
        with self.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).method.message_count)

    def purge(self) -> None:
        """Declare and empty every queue."""
        with self.channel() as channel:
            self.broker._declare(channel)
            for queue in Topology(DELAYS).queues:
                channel.queue_purge(queue.name)

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel of its own."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield connection.channel()
        finally:
            connection.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process for good."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(happened: Callable[[], object], *, within: float = 30, every: float = 0.05) -> None:
    """Wait for something to be true, or fail."""
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(every)
