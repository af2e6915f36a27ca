"""
How Alertmanager is started, and its configuration with the receivers that the environment names.

It expands no variables itself. deploy/alertmanager/alertmanager.yml is valid as it is, and tells nobody;
deploy/alertmanager/receivers.yaml says which variables add whom.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from voxtrace_services.native import readiness
from voxtrace_services.native.errors import NativeError
from voxtrace_services.native.layout import installed, root
from voxtrace_services.native.pace import Pace
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voxtrace_services.native.ports import Ports

_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?P<optional>:-)?\}")
_FILE: Final = "_FILE"
_OWNER_ONLY: Final = 0o600


def command(data_dir: Path, *, ports: Ports, environment: Mapping[str, str]) -> Command:
    """Alertmanager by itself, without a cluster."""
    data_dir = data_dir.resolve()
    url = f"http://{LOOPBACK}:{ports.alertmanager}"
    return Command(
        name="alertmanager",
        argv=(
            # Debian's name for it, then everybody else's.
            str(installed("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")),
            f"--config.file={write(data_dir, {**os.environ, **environment})}",
            f"--storage.path={data_dir / 'data'}",
            f"--web.listen-address={LOOPBACK}:{ports.alertmanager}",
            f"--web.external-url={url}",
            # Empty: there is no other to gossip with, and no port for it.
            "--cluster.listen-address=",
        ),
        ports={"alertmanager": ports.alertmanager},
        ready=readiness.http(f"{url}/-/ready"),
        environment=environment,
        start_seconds=30,
    )


def write(folder: Path, environment: Mapping[str, str]) -> Path:
    """
    Write the configuration that an environment asks for, readable by its owner alone.

    Raises:
        NativeError: A receiver is named in part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "alertmanager.yml"
    path.touch(mode=_OWNER_ONLY)
    # An address may be a secret: one that was readable before is not any more.
    path.chmod(_OWNER_ONLY)
    path.write_text(yaml.safe_dump(configuration(environment), sort_keys=False, width=1000), encoding="utf-8")
    return path


def configuration(environment: Mapping[str, str]) -> dict[str, Any]:
    """
    The configuration with the receivers, and at the pace, that an environment asks for.

    Raises:
        NativeError: A receiver is named in part.
    """
    folder = root() / "deploy" / "alertmanager"
    document = yaml.safe_load((folder / "alertmanager.yml").read_text(encoding="utf-8"))
    told = yaml.safe_load((folder / "receivers.yaml").read_text(encoding="utf-8"))
    channels = {name: _filled(name, channel, environment) for name, channel in told["channels"].items()}
    for receiver in document["receivers"]:
        for name in told["receivers"][receiver["name"]]:
            receiver.update(channels[name])
    return Pace.of(environment).alertmanager(document)


def _filled(name: str, channel: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """A channel with its variables' values; nothing where none is set."""
    wanted = {one["name"]: one["optional"] is None for one in _VARIABLE.finditer(str(channel))}
    values = {variable: _value(variable, environment) for variable in wanted}
    if not any(values[variable] for variable, required in wanted.items() if required):
        return {}
    missing = [variable for variable, required in wanted.items() if required and not values[variable]]
    if missing:
        raise NativeError(
            f"Alerts by {name} need {', '.join(missing)} too: set it, or none of its variables."
        )
    found = _replaced(channel, values)
    assert isinstance(found, dict)  # noqa: S101  as it came in
    return found


def _value(variable: str, environment: Mapping[str, str]) -> str:
    """The variable's value, or what the file holds that its namesake with _FILE names."""
    if value := environment.get(variable):
        return value
    file = environment.get(variable + _FILE)
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NativeError(
            f"{variable}{_FILE} is {file!r}, which cannot be read: {error.strerror}."
        ) from error


def _replaced(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        replaced = {key: _replaced(value, values) for key, value in node.items()}
        return {key: value for key, value in replaced.items() if value != ""}
    if isinstance(node, list):
        return [_replaced(item, values) for item in node]
    return _VARIABLE.sub(lambda one: values[one["name"]], node) if isinstance(node, str) else node
