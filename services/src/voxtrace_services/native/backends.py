"""How the Collector and Jaeger are started: one command each, configured by the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxtrace_services.native import readiness
from voxtrace_services.native.builds import COLLECTOR, JAEGER
from voxtrace_services.native.errors import MissingPartError
from voxtrace_services.native.headers import for_collector
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from voxtrace_services.native.builds import Build
    from voxtrace_services.native.ports import Ports

_ENDPOINT = "VOXTRACE_OTLP_ENDPOINT"
_HEADERS = "VOXTRACE_OTLP_HEADERS"


def collector(
    data_dir: Path, *, ports: Ports, layers: Iterable[str], environment: Mapping[str, str]
) -> Command:
    """
    The Collector with base.yaml, the named layers and extras.yaml.

    Args:
        data_dir: where its queues live.
        ports: where it listens, and where the back ends of the layers do.
        layers: names of files in collector-config/, in order; `otlp-backend` is added by the environment.
        environment: VOXTRACE_OTLP_ENDPOINT and VOXTRACE_OTLP_HEADERS name one more back end.
    """
    chosen = ["base", *layers, *(["otlp-backend"] if environment.get(_ENDPOINT) else []), "extras"]
    files = [str(root() / "collector-config" / f"{layer}.yaml") for layer in chosen]
    headers = for_collector(environment[_HEADERS]) if environment.get(_HEADERS) else ""
    return Command(
        name="collector",
        argv=(str(_built(COLLECTOR)), *(part for file in files for part in ("--config", file))),
        ports={
            "collector_grpc": ports.collector_grpc,
            "collector_http": ports.collector_http,
            "collector_metrics": ports.collector_metrics,
            "collector_self_metrics": ports.collector_self_metrics,
            "collector_health": ports.collector_health,
        },
        ready=readiness.http(f"http://{LOOPBACK}:{ports.collector_health}/"),
        environment={
            **ports.environment(),
            "VOXTRACE_COLLECTOR_DATA": str(data_dir.resolve()),
            "VOXTRACE_CONSOLE_ENDPOINT": f"http://{LOOPBACK}:{ports.console}",
            "VOXTRACE_JAEGER_ENDPOINT": f"{LOOPBACK}:{ports.jaeger_otlp}",
            **environment,
            _HEADERS: headers,
        },
        start_seconds=30,
    )


def jaeger(*, ports: Ports, environment: Mapping[str, str]) -> Command:
    """Jaeger with traces in memory; its Monitor page asks our Prometheus."""
    return Command(
        name="jaeger",
        argv=(str(_built(JAEGER)), "--config", str(root() / "deploy" / "jaeger" / "config.yaml")),
        ports={
            "jaeger": ports.jaeger,
            "jaeger_grpc": ports.jaeger_grpc,
            "jaeger_otlp": ports.jaeger_otlp,
            "jaeger_self_metrics": ports.jaeger_self_metrics,
            "jaeger_health": ports.jaeger_health,
        },
        ready=readiness.http(f"http://{LOOPBACK}:{ports.jaeger_health}/status"),
        environment={
            **ports.environment(),
            "VOXTRACE_PROMETHEUS_URL": f"http://{LOOPBACK}:{ports.prometheus}",
            # Its own requests are no part of anybody's upload, and must not feed themselves.
            "OTEL_TRACES_SAMPLER": "always_off",
            **environment,
        },
        start_seconds=30,
    )


def _built(build: Build) -> Path:
    if (found := build.find()) is None:
        raise MissingPartError(
            f"{build.program} is neither on PATH nor built: python -m voxtrace_services.native build"
        )
    return found
