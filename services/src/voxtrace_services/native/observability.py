"""Collector, Jaeger, Prometheus and Alertmanager by themselves, for services that somebody else starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxtrace_services.native import alertmanager, backends, jaeger, prometheus
from voxtrace_services.native.group import Group
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from voxtrace_services.native.ports import Ports


def commands(
    data_dir: Path, *, ports: Ports, layers: tuple[str, ...], env: Mapping[str, Mapping[str, str]]
) -> list[Command]:
    """
    The back end's four commands.

    Args:
        data_dir: holds a folder for each.
        ports: where they listen.
        layers: the Collector's, beside base.yaml and extras.yaml.
        env: more environment for each, by name.
    """
    return [
        alertmanager.command(data_dir / "alertmanager", ports=ports, environment=env.get("alertmanager", {})),
        prometheus.command(data_dir / "prometheus", ports=ports, environment=env.get("prometheus", {})),
        jaeger.command(data_dir / "jaeger", ports=ports, environment=env.get("jaeger", {})),
        backends.collector(
            data_dir / "collector", ports=ports, layers=layers, environment=env.get("collector", {})
        ),
    ]


class Observability(Group):
    """
    A Collector that feeds Jaeger and Prometheus, whose alerts Alertmanager sends on.

    Args:
        data_dir: holds each part's data, and the logs.
        ports: where they listen.
        env: more environment for `collector`, `jaeger`, `prometheus` and `alertmanager`.
        on_progress: told what happens, one short line at a time.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        ports: Ports,
        env: Mapping[str, Mapping[str, str]] | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.ports = ports
        self.otlp_endpoint = f"http://{LOOPBACK}:{ports.collector_http}"
        self.jaeger_url = f"http://{LOOPBACK}:{ports.jaeger}"
        self.prometheus_url = f"http://{LOOPBACK}:{ports.prometheus}"
        self.alertmanager_url = f"http://{LOOPBACK}:{ports.alertmanager}"
        self._env = env or {}
        super().__init__(self._plan, on_progress=on_progress)

    def _plan(self) -> list[list[Process]]:
        made = commands(
            self.data_dir, ports=self.ports, layers=("red", "jaeger", "prometheus"), env=self._env
        )
        logs = self.data_dir / "logs"
        return [[Process(command, log=logs / f"{command.name}.log") for command in made]]
