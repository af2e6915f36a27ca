"""
How Prometheus is started: with the repository's configuration, at our targets.

What the environment may say:

- VOXTRACE_PROMETHEUS_RETENTION_TIME, VOXTRACE_PROMETHEUS_RETENTION_SIZE: what is kept, whichever ends first.
- VOXTRACE_REMOTE_WRITE_URL: where samples go as well; VOXTRACE_REMOTE_WRITE_TOKEN_FILE: its bearer token.
- VOXTRACE_RUNBOOKS_URL, VOXTRACE_GRAFANA_URL: put before the paths in alerts, to make them links.
- VOXTRACE_RULE_TIME_SCALE: how much faster rules run than written (`pace`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import yaml

from voxtrace_services.native import readiness
from voxtrace_services.native.layout import installed, root
from voxtrace_services.native.pace import Pace
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from voxtrace_services.native.ports import Ports

#: The longest that a rule looks back (the error budgets' 30 days) and a day.
_RETENTION_TIME: Final = "31d"
_RETENTION_SIZE: Final = "10GB"

_LINKS: Final = {"runbook_url": "VOXTRACE_RUNBOOKS_URL", "dashboard": "VOXTRACE_GRAFANA_URL"}
_REMOTE_WRITE_URL: Final = "VOXTRACE_REMOTE_WRITE_URL"
_REMOTE_WRITE_TOKEN_FILE: Final = "VOXTRACE_REMOTE_WRITE_TOKEN_FILE"  # noqa: S105  the name of a variable


def command(data_dir: Path, *, ports: Ports, environment: Mapping[str, str]) -> Command:
    """Prometheus with a copy of deploy/prometheus, whose targets are our ports."""
    data_dir = data_dir.resolve()
    said = {**os.environ, **environment}
    time = said.get("VOXTRACE_PROMETHEUS_RETENTION_TIME") or _RETENTION_TIME
    size = said.get("VOXTRACE_PROMETHEUS_RETENTION_SIZE") or _RETENTION_SIZE
    url = f"http://{LOOPBACK}:{ports.prometheus}"
    return Command(
        name="prometheus",
        argv=(
            str(installed("prometheus", package="prometheus")),
            f"--config.file={_files(data_dir, ports, said)}",
            f"--storage.tsdb.path={data_dir / 'tsdb'}",
            f"--storage.tsdb.retention.time={time}",
            f"--storage.tsdb.retention.size={size}",
            f"--web.listen-address={LOOPBACK}:{ports.prometheus}",
            # What alerts link to; by default it is the machine's name, where nobody listens.
            f"--web.external-url={url}",
            "--enable-feature=exemplar-storage",
        ),
        ports={"prometheus": ports.prometheus},
        ready=readiness.http(f"{url}/-/ready"),
        environment=environment,
        start_seconds=60,
    )


def _files(data_dir: Path, ports: Ports, said: Mapping[str, str]) -> Path:
    committed = root() / "deploy" / "prometheus"
    (data_dir / "targets").mkdir(parents=True, exist_ok=True)
    for name, port in {
        "alertmanager": ports.alertmanager,
        "collector-exporter": ports.collector_metrics,
        "collector": ports.collector_self_metrics,
        "rabbitmq": ports.amqp_metrics,
    }.items():
        (data_dir / "targets" / f"{name}.yaml").write_text(f"- targets: ['{LOOPBACK}:{port}']\n")
    configuration = _load(committed / "prometheus.yml")
    pace = Pace.of(said, configuration)
    rules = data_dir / "rules"
    rules.mkdir(exist_ok=True)
    for file in rules.iterdir():
        # One that was there at the last start and is gone from the repository would go on.
        file.unlink()
    for file in (committed / "rules").glob("*.yaml"):
        _dump(rules / file.name, _linked(pace.rules(_load(file)), said))
    written = data_dir / "prometheus.yml"
    _dump(written, pace.prometheus(configuration) | _remote_write(committed, said))
    return written


def _linked(document: dict[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    """The rules, with an address before each path that an alert leads to."""
    for group in document["groups"]:
        for rule in group["rules"]:
            for name, path in rule.get("annotations", {}).items():
                if base := said.get(_LINKS.get(name, "")):
                    rule["annotations"][name] = f"{base.rstrip('/')}/{path.lstrip('/')}"
    return document


def _remote_write(committed: Path, said: Mapping[str, str]) -> dict[str, Any]:
    if not said.get(_REMOTE_WRITE_URL):
        return {}
    section = _load(committed / "remote-write.yaml")
    (target,) = section["remote_write"]
    target["url"] = said[_REMOTE_WRITE_URL]
    if file := said.get(_REMOTE_WRITE_TOKEN_FILE):
        target["authorization"] = {"credentials_file": file}
    return section


def _load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def _dump(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False, width=1000), encoding="utf-8")
