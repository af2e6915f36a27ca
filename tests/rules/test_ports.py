"""Every port that a configuration file or a default repeats is the one in `.env`."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from dotenv import dotenv_values

from voxtrace_services.core.settings import Settings
from voxtrace_services.native import Ports
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import variable

_ENV = {name: value or "" for name, value in dotenv_values(root() / ".env").items()}
_FILES = [
    path
    for folder in ("collector-config", "deploy")
    for path in sorted((root() / folder).rglob("*"))
    if path.suffix in {".yaml", ".yml", ".conf"} and path.parent.name != "targets"
]
#: Variables that hold a whole address, and the port in `.env` that theirs must be.
_ADDRESSES = {
    "VOXTRACE_CONSOLE_ENDPOINT": "VOXTRACE_CONSOLE_PORT",
    "VOXTRACE_JAEGER_ENDPOINT": "VOXTRACE_JAEGER_OTLP_PORT",
    "VOXTRACE_PROMETHEUS_URL": "VOXTRACE_PROMETHEUS_PORT",
}
_DEFAULT = re.compile(r"\$\{env:(VOXTRACE_\w+):-([^}]*)\}")
_TARGETS = {
    "alertmanager": "VOXTRACE_ALERTMANAGER_PORT",
    "collector-exporter": "VOXTRACE_COLLECTOR_METRICS_PORT",
    "collector": "VOXTRACE_COLLECTOR_SELF_METRICS_PORT",
    "rabbitmq": "VOXTRACE_AMQP_METRICS_PORT",
}


def _differing(text: str) -> list[tuple[str, str]]:
    """Defaults of ports in a configuration that are not those of `.env`."""
    found = []
    for name, default in _DEFAULT.findall(text):
        port = _ADDRESSES.get(name, name)
        if port.endswith("_PORT") and default.rpartition(":")[2] != _ENV.get(port):
            found.append((name, default))
    return found


def test_every_port_is_in_env_once() -> None:
    """`.env` has the ports of `Ports` and no others, and no two are the same."""
    ports = {name: value for name, value in _ENV.items() if name.endswith("_PORT")}

    assert ports.keys() == {variable(field.name) for field in fields(Ports)}
    assert len(set(ports.values())) == len(ports)


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_defaults_in_configuration_are_those_of_env(path: Path) -> None:
    """A Collector or Jaeger that is started by hand listens and sends where `.env` says."""
    assert _differing(path.read_text()) == []


def test_another_default_is_noticed() -> None:
    """The check above fails on a port, or an address, that `.env` does not have."""
    text = "${env:VOXTRACE_JAEGER_PORT:-1} ${env:VOXTRACE_NEW_PORT:-2} ${env:VOXTRACE_PROMETHEUS_URL:-http://a:3}"

    assert _differing(text) == [
        ("VOXTRACE_JAEGER_PORT", "1"),
        ("VOXTRACE_NEW_PORT", "2"),
        ("VOXTRACE_PROMETHEUS_URL", "http://a:3"),
    ]


def test_prometheus_targets_are_those_of_env() -> None:
    """Prometheus started by hand on the repository's files scrapes loopback, on the ports of `.env`."""
    folder = root() / "deploy" / "prometheus" / "targets"
    found = {path.stem: yaml.safe_load(path.read_text()) for path in folder.iterdir()}

    assert found == {name: [{"targets": [f"127.0.0.1:{_ENV[port]}"]}] for name, port in _TARGETS.items()}


def test_defaults_of_the_services_are_those_of_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is started by hand listens and connects where `.env` says."""
    for name in ("VOXTRACE_GATEWAY_PORT", "VOXTRACE_CONSOLE_PORT", "VOXTRACE_AMQP_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings()

    assert {
        "VOXTRACE_GATEWAY_PORT": str(settings.gateway_port),
        "VOXTRACE_CONSOLE_PORT": str(settings.console_port),
        "VOXTRACE_AMQP_PORT": str(urlsplit(settings.amqp_url).port),
    }.items() <= _ENV.items()
