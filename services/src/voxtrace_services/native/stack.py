"""The whole platform as private processes of one owner."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from voxtrace_services.native import observability, services
from voxtrace_services.native.backends import CHOSEN_BY, FULL
from voxtrace_services.native.errors import NativeError
from voxtrace_services.native.group import Group
from voxtrace_services.native.ports import LOOPBACK, Ports
from voxtrace_services.native.process import Process
from voxtrace_services.native.rabbitmq import RabbitMQ

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from voxtrace_services.native.process import Command

_SAMPLING = CHOSEN_BY["sampling"]
_COLLECTOR_VARIABLES = (*CHOSEN_BY.values(), "VOXTRACE_OTLP_HEADERS")
# Of what is sampled away, exemplars would lead nowhere; those of the Collector's own metrics do.
_WITHOUT_EXEMPLARS = {"OTEL_METRICS_EXEMPLAR_FILTER": "always_off"}


class Stack(Group):
    """
    Broker, console, services and, when full, Collector, Jaeger, Prometheus and Alertmanager.

    Args:
        data_dir: holds each part's data, and the logs, which are kept.
        ports: where everything listens; those of `.env` unless given.
        full: services report to the Collector, which feeds Jaeger, Prometheus, the console and the back end
            that VOXTRACE_OTLP_ENDPOINT names, and samples where VOXTRACE_SAMPLING_PERCENT is set (see
            collector-config/sampling.yaml); otherwise they report to the console.
        env: more environment for single processes, by name.
        on_progress: told what happens, one short line at a time.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        ports: Ports | None = None,
        full: bool = False,
        env: Mapping[str, Mapping[str, str]] | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.ports = ports or Ports.load()
        self.full = full
        self._env = {name: dict(values) for name, values in (env or {}).items()}
        self.logs = self.data_dir / "logs"
        self.rabbitmq = RabbitMQ(self.data_dir / "rabbitmq", ports=self.ports, logs=self.logs)
        super().__init__(self._plan, on_progress=on_progress)

    @property
    def gateway_url(self) -> str:
        """The gateway's base address."""
        return self._url(self.ports.gateway)

    @property
    def console_url(self) -> str:
        """The console's base address."""
        return self._url(self.ports.console)

    @property
    def jaeger_url(self) -> str | None:
        """Jaeger's base address, when the stack is full."""
        return self._url(self.ports.jaeger) if self.full else None

    @property
    def prometheus_url(self) -> str | None:
        """Prometheus' base address, when the stack is full."""
        return self._url(self.ports.prometheus) if self.full else None

    @property
    def alertmanager_url(self) -> str | None:
        """Alertmanager's base address, when the stack is full."""
        return self._url(self.ports.alertmanager) if self.full else None

    @property
    def otlp_endpoint(self) -> str:
        """Where the services send telemetry (OTLP over HTTP)."""
        return self._url(self.ports.collector_http if self.full else self.ports.console)

    def _plan(self) -> list[list[Process]]:
        self.rabbitmq.prepare()
        servers = [services.console(self.data_dir, ports=self.ports, environment=self._extra("console"))]
        if self.full:
            servers += observability.commands(
                self.data_dir,
                ports=self.ports,
                layers=FULL,
                env={**self._env, "collector": self._collector()},
            )
        ours = [
            *(
                services.worker(
                    name,
                    self.data_dir,
                    ports=self.ports,
                    amqp_url=self.rabbitmq.url,
                    otlp_endpoint=self.otlp_endpoint,
                    environment=self._service(name),
                )
                for name in services.WORKERS
            ),
            services.gateway(
                self.data_dir,
                ports=self.ports,
                amqp_url=self.rabbitmq.url,
                otlp_endpoint=self.otlp_endpoint,
                environment=self._service("gateway"),
            ),
        ]
        unknown = self._env.keys() - {command.name for command in (*servers, *ours)}
        if unknown:
            raise NativeError(f"env names no process of this stack: {', '.join(sorted(unknown))}.")
        return [
            [self.rabbitmq.epmd],
            [self.rabbitmq.server, *map(self._process, servers)],
            [*map(self._process, ours)],
        ]

    def _process(self, command: Command) -> Process:
        return Process(command, log=self.logs / f"{command.name}.log")

    def _extra(self, name: str) -> dict[str, str]:
        return self._env.get(name, {})

    def _service(self, name: str) -> dict[str, str]:
        sampled = self.full and bool(self._collector().get(_SAMPLING))
        return (_WITHOUT_EXEMPLARS if sampled else {}) | self._extra(name)

    def _collector(self) -> dict[str, str]:
        chosen = {name: os.environ[name] for name in _COLLECTOR_VARIABLES if os.environ.get(name)}
        return chosen | self._extra("collector")

    def _url(self, port: int) -> str:
        return f"http://{LOOPBACK}:{port}"
