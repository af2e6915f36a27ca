"""How the Collector and Jaeger are started: one command each, configured by the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxtrace_services.native import readiness
from voxtrace_services.native.builds import COLLECTOR, JAEGER
from voxtrace_services.native.errors import MissingPartError, NativeError
from voxtrace_services.native.headers import for_collector
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from voxtrace_services.native.builds import Build
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
