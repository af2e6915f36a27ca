"""How the Collector is started: by layers, configured by the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxtrace_services.native import readiness
from voxtrace_services.native.builds import COLLECTOR, built
from voxtrace_services.native.errors import NativeError
from voxtrace_services.native.headers import for_collector
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from voxtrace_services.native.ports import Ports

_HEADERS = "VOXTRACE_OTLP_HEADERS"
#: A layer that is added where its variable is set.
CHOSEN_BY = {"sampling": "VOXTRACE_SAMPLING_PERCENT", "otlp-backend": "VOXTRACE_OTLP_ENDPOINT"}
#: The Collector's layers in the order in which it must read them.
LAYERS = (
    "base",
    "red",
    "sampling",
    "jaeger",
    "prometheus",
    "console",
    "otlp-backend",
    "gateway-tier",
    "security",
    "extras",
)

#: Those with which `voxtrace up --full` runs, beside base.yaml and extras.yaml.
FULL = ("red", "jaeger", "prometheus", "console")


def collector(
    data_dir: Path, *, ports: Ports, layers: Iterable[str], environment: Mapping[str, str]
) -> Command:
    """
    The Collector with base.yaml, the named layers and extras.yaml.

    Args:
        data_dir: where its queues live.
        ports: where it listens, and where the back ends of the layers do.
        layers: some of `LAYERS`; those of `CHOSEN_BY` are added by the environment.
        environment: variables that the layers name, beside those for ports and data.
    """
    chosen = {
        "base",
        *layers,
        *(layer for layer, name in CHOSEN_BY.items() if environment.get(name)),
        "extras",
    }
    if unknown := chosen - set(LAYERS):
        raise NativeError(
            f"No such Collector layer: {', '.join(sorted(unknown))}. There are: {', '.join(LAYERS)}."
        )
    files = [str(root() / "collector-config" / f"{layer}.yaml") for layer in LAYERS if layer in chosen]
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
