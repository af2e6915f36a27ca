"""A private Redis for tests: own folder, own port, nothing on disk."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import redis

from voxtrace_services.native import Command, Process, readiness
from voxtrace_services.native.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from pathlib import Path


class RedisServer:
    """A server on a port that it has again after a restart."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"redis://{LOOPBACK}:{port}/0"
        options = {"bind": LOOPBACK, "port": str(port), "dir": str(folder), "save": "", "appendonly": "no"}
        self.process = Process(
            Command(
                name="Redis",
                argv=(
                    "redis-server",
                    *(part for key, value in options.items() for part in (f"--{key}", value)),
                ),
                ready=readiness.tcp(port),
                ports={"redis": port},
            ),
            log=folder / "redis.log",
        )
        self.client = redis.Redis.from_url(self.url)

    def stop(self) -> None:
        """End the server."""
        self.client.close()
        self.process.stop()


def silent() -> socket.socket:
    """A server that takes every connection and never says a word."""
    return socket.create_server((LOOPBACK, 0))
