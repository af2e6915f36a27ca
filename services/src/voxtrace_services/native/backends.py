"""How the Collector, Jaeger and Prometheus are started: one command each, configured by the environment."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from voxtrace_services.native import readiness
from voxtrace_services.native.builds import COLLECTOR, JAEGER
from voxtrace_services.native.errors import MissingPartError, NativeError
from voxtrace_services.native.headers import for_collector
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK, variable
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from voxtrace_services.native.builds import Build
    from voxtrace_services.native.ports import Ports

_HEADERS = "VOXTRACE_OTLP_HEADERS"
_STORAGE = "VOXTRACE_JAEGER_STORAGE"
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


def jaeger(data_dir: Path, *, ports: Ports, environment: Mapping[str, str]) -> Command:
    """
    Jaeger; its Monitor page asks our Prometheus.

    Args:
        data_dir: where its traces live.
        ports: where it listens, and where the pages are that its own links to.
        environment: VOXTRACE_JAEGER_STORAGE names a file in deploy/jaeger/storage; `badger` unless set.

    Raises:
        NativeError: when there is no such storage.
    """
    committed = root() / "deploy" / "jaeger"
    name = environment.get(_STORAGE) or os.environ.get(_STORAGE) or "badger"
    storage = committed / "storage" / f"{name}.yaml"
    if not storage.is_file():
        known = ", ".join(sorted(path.stem for path in storage.parent.glob("*.yaml")))
        raise NativeError(f"{_STORAGE} is {name!r}: set it to one of {known}.")
    files = (committed / "config.yaml", storage)
    return Command(
        name="jaeger",
        argv=(str(_built(JAEGER)), *(part for file in files for part in ("--config", str(file)))),
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
            "VOXTRACE_JAEGER_DATA": str(data_dir.resolve()),
            "VOXTRACE_JAEGER_UI": str(_jaeger_page(data_dir.resolve(), ports)),
            # Its own requests are no part of anybody's upload, and must not feed themselves.
            "OTEL_TRACES_SAMPLER": "always_off",
            **environment,
        },
        start_seconds=30,
    )


def prometheus(data_dir: Path, *, ports: Ports, environment: Mapping[str, str]) -> Command:
    """Prometheus with the repository's configuration; only the targets' addresses are ours."""
    return Command(
        name="prometheus",
        argv=(
            _installed("prometheus"),
            f"--config.file={_prometheus_files(data_dir.resolve(), ports)}",
            f"--storage.tsdb.path={data_dir.resolve() / 'tsdb'}",
            "--storage.tsdb.retention.time=15d",
            f"--web.listen-address={LOOPBACK}:{ports.prometheus}",
            "--enable-feature=exemplar-storage",
        ),
        ports={"prometheus": ports.prometheus},
        ready=readiness.http(f"http://{LOOPBACK}:{ports.prometheus}/-/ready"),
        environment=environment,
        start_seconds=60,
    )


def _jaeger_page(data_dir: Path, ports: Ports) -> Path:
    """The committed settings of Jaeger's page, with the addresses of these ports for those of `.env`."""
    text = (root() / "deploy" / "jaeger" / "ui.json").read_text(encoding="utf-8")
    committed = dotenv_values(root() / ".env")
    for name, port in {"console": ports.console, "grafana": ports.grafana}.items():
        text = text.replace(f"{LOOPBACK}:{committed[variable(name)]}/", f"{LOOPBACK}:{port}/")
    data_dir.mkdir(parents=True, exist_ok=True)
    page = data_dir / "ui.json"
    page.write_text(text, encoding="utf-8")
    return page


def _prometheus_files(data_dir: Path, ports: Ports) -> Path:
    targets = data_dir / "targets"
    targets.mkdir(parents=True, exist_ok=True)
    for name, port in {
        "collector-exporter": ports.collector_metrics,
        "collector": ports.collector_self_metrics,
        "rabbitmq": ports.amqp_metrics,
    }.items():
        (targets / f"{name}.yaml").write_text(f"- targets: ['{LOOPBACK}:{port}']\n")
    committed = root() / "deploy" / "prometheus"
    shutil.copytree(committed / "rules", data_dir / "rules", dirs_exist_ok=True)
    return shutil.copyfile(committed / "prometheus.yml", data_dir / "prometheus.yml")


def _built(build: Build) -> Path:
    if (found := build.find()) is None:
        raise MissingPartError(
            f"{build.program} is neither on PATH nor built: python -m voxtrace_services.native build"
        )
    return found


def _installed(program: str) -> str:
    if (found := shutil.which(program)) is None:
        raise MissingPartError(
            f"{program} is not installed: apt-get install --no-install-recommends {program}"
        )
    return found
