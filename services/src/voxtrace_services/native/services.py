"""How our own services are started: this Python, their module, their settings in the environment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from voxtrace_services.native import readiness
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from voxtrace_services.native.ports import Ports

WORKERS = ("asr", "translation", "synthesis")

# Where telemetry goes and who sends it is the stack's decision; how it is batched
# or sampled stays with whoever sets OTEL_*.
_OURS_TO_SET = ("OTEL_EXPORTER_OTLP_", "OTEL_SERVICE_NAME")
# Our console listens on loopback alone and needs no token: with one it would turn our own senders away.
_FOR_OTHER_CONSOLES = ("VOXTRACE_CONSOLE_TOKEN",)


def console(data_dir: Path, *, ports: Ports, environment: Mapping[str, str]) -> Command:
    """The console, an OTLP back end of its own."""
    return _service(
        "console",
        ports={"console": ports.console},
        environment={
            "VOXTRACE_CONSOLE_HOST": LOOPBACK,
            "VOXTRACE_CONSOLE_PORT": str(ports.console),
            "VOXTRACE_CONSOLE_DATABASE": str(data_dir.resolve() / "console.duckdb"),
            "VOXTRACE_HEALTH_PORT": "0",
            **environment,
        },
    )


def gateway(
    data_dir: Path, *, ports: Ports, amqp_url: str, otlp_endpoint: str, environment: Mapping[str, str]
) -> Command:
    """The gateway, with its jobs in SQLite."""
    return _service(
        "gateway",
        ports={"gateway": ports.gateway, **_metrics(ports, "gateway", environment)},
        environment={
            **_pipeline("gateway", data_dir, ports, amqp_url, otlp_endpoint),
            "VOXTRACE_GATEWAY_HOST": LOOPBACK,
            "VOXTRACE_GATEWAY_PORT": str(ports.gateway),
            "VOXTRACE_DATABASE_URL": f"sqlite:///{data_dir.resolve() / 'gateway.db'}",
            "VOXTRACE_HEALTH_PORT": "0",
            **environment,
        },
    )


def worker(
    name: str,
    data_dir: Path,
    *,
    ports: Ports,
    amqp_url: str,
    otlp_endpoint: str,
    environment: Mapping[str, str],
) -> Command:
    """One of `WORKERS`, which answers for its health on a port of its own."""
    field = f"{name}_health"
    port: int = getattr(ports, field)
    return _service(
        name,
        ports={field: port, **_metrics(ports, name, environment)},
        environment={
            **_pipeline(name, data_dir, ports, amqp_url, otlp_endpoint),
            "VOXTRACE_HEALTH_HOST": LOOPBACK,
            "VOXTRACE_HEALTH_PORT": str(port),
            **environment,
        },
    )


def _metrics(ports: Ports, name: str, environment: Mapping[str, str]) -> dict[str, int]:
    """A service's own /metrics, which it serves only where its environment asks for that."""
    asked = {**os.environ, **environment}.get("OTEL_METRICS_EXPORTER", "")
    if "prometheus" not in (exporter.strip() for exporter in asked.split(",")):
        return {}
    field = f"{name}_metrics"
    return {field: getattr(ports, field)}


def _pipeline(name: str, data_dir: Path, ports: Ports, amqp_url: str, otlp_endpoint: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(getattr(ports, f"{name}_metrics")),
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "VOXTRACE_AMQP_URL": amqp_url,
        "VOXTRACE_ARTIFACTS_URL": (data_dir.resolve() / "artifacts").as_uri(),
    }


def _service(name: str, *, ports: Mapping[str, int], environment: Mapping[str, str]) -> Command:
    return Command(
        name=name,
        argv=(sys.executable, "-m", f"voxtrace_services.{name}"),
        ports=ports,
        ready=readiness.http(f"http://{LOOPBACK}:{next(iter(ports.values()))}/health"),
        environment=environment,
        without=(*_OURS_TO_SET, *_FOR_OTHER_CONSOLES),
        start_seconds=90,
        # A little more than the services give themselves to finish their work.
        grace_seconds=40,
    )
