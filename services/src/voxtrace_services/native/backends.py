"""How the Collector is started: by layers, configured by the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxtrace_services.native import readiness
from voxtrace_services.native.builds import COLLECTOR, built
from voxtrace_services.native.headers import for_collector
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

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
        argv=(str(built(COLLECTOR)), *(part for file in files for part in ("--config", file))),
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
