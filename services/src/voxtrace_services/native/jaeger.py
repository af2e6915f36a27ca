"""
How Jaeger is started: with the repository's configuration, its traces where the environment says.

- VOXTRACE_JAEGER_STORAGE: a file in deploy/jaeger/storage, `badger` unless set.
- VOXTRACE_GRAFANA_URL: where the page's links to dashboards lead.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from dotenv import dotenv_values

from voxtrace_services.native import readiness
from voxtrace_services.native.builds import JAEGER, built
from voxtrace_services.native.errors import NativeError
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK, variable
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from voxtrace_services.native.ports import Ports

_STORAGE: Final = "VOXTRACE_JAEGER_STORAGE"
_GRAFANA: Final = "VOXTRACE_GRAFANA_URL"


def command(data_dir: Path, *, ports: Ports, environment: Mapping[str, str]) -> Command:
    """
    Jaeger; its Monitor page asks our Prometheus.

    Raises:
        NativeError: when there is no such storage.
    """
    committed = root() / "deploy" / "jaeger"
    said = {**os.environ, **environment}
    name = said.get(_STORAGE) or "badger"
    storage = committed / "storage" / f"{name}.yaml"
    if not storage.is_file():
        known = ", ".join(sorted(path.stem for path in storage.parent.glob("*.yaml")))
        raise NativeError(f"{_STORAGE} is {name!r}: set it to one of {known}.")
    files = (committed / "config.yaml", storage)
    return Command(
        name="jaeger",
        argv=(str(built(JAEGER)), *(part for file in files for part in ("--config", str(file)))),
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
            "VOXTRACE_JAEGER_UI": str(_page(data_dir.resolve(), ports, said.get(_GRAFANA))),
            # Its own requests are no part of anybody's upload, and must not feed themselves.
            "OTEL_TRACES_SAMPLER": "always_off",
            **environment,
        },
        start_seconds=30,
    )


def _page(data_dir: Path, ports: Ports, grafana: str | None) -> Path:
    """The committed settings of Jaeger's page, with the addresses that are in use for those of `.env`."""
    text = (root() / "deploy" / "jaeger" / "ui.json").read_text(encoding="utf-8")
    committed = dotenv_values(root() / ".env")
    used = {
        "console": f"http://{LOOPBACK}:{ports.console}",
        "grafana": grafana or f"http://{LOOPBACK}:{ports.grafana}",
    }
    for name, url in used.items():
        text = text.replace(f"http://{LOOPBACK}:{committed[variable(name)]}/", f"{url.rstrip('/')}/")
    data_dir.mkdir(parents=True, exist_ok=True)
    page = data_dir / "ui.json"
    page.write_text(text, encoding="utf-8")
    return page
