"""The platform in containers, with the addresses by which tests/e2e knows a stack."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose.engine import docker
from voxtrace_services.native.builds import COMPOSE
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK, Ports

UP_SECONDS = 300
_OLDEST = (2, 20)


class ComposeFailedError(Exception):
    """`docker compose` failed, with its words."""


def program() -> tuple[str, ...]:
    """`docker compose` if it is recent enough, else the one that we build."""
    said = docker("compose", "version", "--short", check=False)
    version = said.stdout.strip().lstrip("v").split(".")
    if said.returncode == 0 and tuple(int(part) for part in version[:2]) >= _OLDEST:
        return ("docker", "compose")
    return (str(COMPOSE.make(print)),)


@dataclass(frozen=True, kw_only=True)
class Composed:
    """
    One project of docker-compose.yml on ports of its own.

    Attributes:
        name: the project's name; containers, networks and volumes begin with it.
        profile: what is started.
        files: what is read beside docker-compose.yml.
    """

    name: str
    ports: Ports
    profile: str = "full"
    files: tuple[Path, ...] = ()

    @property
    def gateway_url(self) -> str:
        """The gateway, as its published port has it."""
        return f"http://{LOOPBACK}:{self.ports.gateway}"

    @property
    def console_url(self) -> str:
        """The console, as its published port has it."""
        return f"http://{LOOPBACK}:{self.ports.console}"

    @property
    def jaeger_url(self) -> str:
        """Jaeger, as its published port has it."""
        return f"http://{LOOPBACK}:{self.ports.jaeger}"

    @property
    def prometheus_url(self) -> str:
        """Prometheus, as its published port has it."""
        return f"http://{LOOPBACK}:{self.ports.prometheus}"

    def build(self, seconds: float) -> None:
        """Build our images, one after another: side by side the classic builder repeats what they share."""
        self.run("build", "--quiet", seconds=seconds, COMPOSE_PARALLEL_LIMIT="1")

    def run(
        self, *arguments: str, seconds: float = UP_SECONDS, profile: str | None = None, **environment: str
    ) -> str:
        """Run `docker compose` on the project; what it printed."""
        files = (root() / "docker-compose.yml", *self.files)
        command = [
            *program(),
            *("--ansi", "never", "--progress", "quiet", "--project-name", self.name),
            *("--project-directory", str(root())),
            *(part for file in files for part in ("--file", str(file))),
            *("--profile", profile or self.profile),
            *arguments,
        ]
        answer = subprocess.run(
            command,
            capture_output=True,
            check=False,
            env={**os.environ, **self.ports.environment(), "DOCKER_BUILDKIT": "0", **environment},
            text=True,
            timeout=seconds,
        )
        if answer.returncode != 0:
            raise ComposeFailedError(f"docker compose {' '.join(arguments)}:\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def up(self) -> None:
        """Start everything and wait until all of it is healthy; what is not says why."""
        try:
            self.run("up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), seconds=UP_SECONDS + 60)
        except ComposeFailedError as error:
            told = self.run("logs", "--no-color", "--tail", "15")
            raise ComposeFailedError(f"{error}\n{told}") from error

    def down(self, *, volumes: bool) -> None:
        """Stop everything and remove it, the volumes only if told to."""
        self.run("down", "--remove-orphans", *(["--volumes"] if volumes else []), profile="*")

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each running container, by service."""
        ids = self.run("ps", "--quiet").split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids).stdout)
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def secret(self, path: str) -> str:
        """Read what `setup` wrote, by a container that has every volume of secrets."""
        return self.run("run", "--rm", "--no-deps", "setup", "cat", f"/secrets/{path}")
