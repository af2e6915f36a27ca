"""Natively, in compose and in Kubernetes the Collector reads the same files, in the same order."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from voxtrace_services.native import Ports
from voxtrace_services.native.backends import CHOSEN_BY, FULL, LAYERS, collector
from voxtrace_services.native.builds import KUSTOMIZE
from voxtrace_services.native.layout import root, setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LAYERS = root() / "collector-config"
_COMPOSE = root() / "docker-compose.yml"
#: Where and to whom a deployment sends is its own affair; what everybody has is the rest.
_CHOICES = {"sampling", "console", "otlp-backend", "gateway-tier", "security"}


def _named(arguments: Iterable[str]) -> list[PurePosixPath]:
    """The files after `--config`, in either way of writing it."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    return [PurePosixPath(after) for word, after in pairwise(words) if word == "--config"]


def _native(*layers: str, **environment: str) -> list[str]:
    command = collector(Path("data"), ports=Ports.free(), layers=layers, environment=environment)
    files = _named(command.argv)
    assert {Path(file).parent for file in files} == {_LAYERS}
    return [file.stem for file in files]


@pytest.fixture(name="rendered", scope="module")
def _rendered() -> dict[str, dict[str, Any]]:
    """What kustomize makes of deploy/kubernetes/collector, by kind."""
    program = KUSTOMIZE.find()
    assert program is not None, "python -m voxtrace_services.native build"
    folder = root() / "deploy" / "kubernetes" / "collector"
    answer = subprocess.run([program, "build", folder], capture_output=True, check=True)
    return {document["kind"]: document for document in yaml.safe_load_all(answer.stdout)}


@pytest.fixture(name="container")
def _container(rendered: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The one container of the StatefulSet."""
    (container,) = rendered["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def _compose_sources(service: Mapping[str, Any], configs: Mapping[str, Any]) -> dict[PurePosixPath, Path]:
    """What lies where in a container, by compose's ways of saying it."""
    found: dict[PurePosixPath, Path] = {}
    for volume in service.get("volumes", ()):
        if isinstance(volume, str):
            source, target = volume.split(":")[:2]
        else:
            source, target = volume.get("source", ""), volume["target"]
        found[PurePosixPath(target)] = (_COMPOSE.parent / source).resolve()
    for config in service.get("configs", ()):
        name = config if isinstance(config, str) else config["source"]
        target = f"/{name}" if isinstance(config, str) else config.get("target", f"/{name}")
        found[PurePosixPath(target)] = (_COMPOSE.parent / configs[name]["file"]).resolve()
    return found


def _source(file: PurePosixPath, mounted: Mapping[PurePosixPath, Path]) -> Path:
    """The file of ours that a container sees under a name."""
    for target, source in mounted.items():
        if file == target or target in file.parents:
            return source / file.relative_to(target)
    raise AssertionError(f"{file} is in the image, not one of {sorted(map(str, mounted))}")


def test_natively_the_order_is_the_layers_own() -> None:
    """However they are asked for, base comes first, extras last, and those of the environment in between."""
    assert _native("console", "jaeger") == ["base", "jaeger", "console", "extras"]
    assert _native(*FULL, VOXTRACE_SAMPLING_PERCENT="5", VOXTRACE_OTLP_ENDPOINT="http://127.0.0.1:9") == [
        "base",
        "red",
        "sampling",
        "jaeger",
        "prometheus",
        "console",
        "otlp-backend",
        "extras",
    ]


def test_kubernetes_mounts_the_files_themselves(
    rendered: dict[str, dict[str, Any]], container: dict[str, Any]
) -> None:
    """The ConfigMap in the pod holds every layer, byte for byte."""
    files = {f"{layer}.yaml": (_LAYERS / f"{layer}.yaml").read_bytes() for layer in LAYERS}
    volumes = rendered["StatefulSet"]["spec"]["template"]["spec"]["volumes"]
    (config,) = [volume for volume in volumes if "configMap" in volume]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == config["name"]]

    assert {name: text.encode() for name, text in rendered["ConfigMap"]["data"].items()} == files
    assert config["configMap"]["name"] == rendered["ConfigMap"]["metadata"]["name"]
    assert {str(file.parent) for file in _named(container["args"])} == {mount["mountPath"]}


def test_kubernetes_reads_the_layers_in_order(container: dict[str, Any]) -> None:
    """The pod's Collector reads what the native one does, but for the choices, and with TLS and a token."""
    layers = [file.stem for file in _named(container["args"])]

    assert layers == [layer for layer in LAYERS if layer in layers]
    assert "security" in layers
    assert set(layers) - _CHOICES == set(_native(*FULL)) - _CHOICES


def test_the_pod_is_restricted(rendered: dict[str, dict[str, Any]], container: dict[str, Any]) -> None:
    """No root, no capability, no writable root; the queue is on a volume, the image is of .env's version."""
    pod = rendered["StatefulSet"]["spec"]["template"]["spec"]
    (claim,) = rendered["StatefulSet"]["spec"]["volumeClaimTemplates"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    base = (_LAYERS / "base.yaml").read_text()

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not pod["automountServiceAccountToken"]
    folder = mounts[claim["metadata"]["name"]]["mountPath"]
    assert f"VOXTRACE_COLLECTOR_DATA:-{folder}/" in base
    assert container["image"].partition(":")[2] == setting("VOXTRACE_COLLECTOR_VERSION")


def test_every_variable_of_the_pod_is_one_that_a_layer_names(container: dict[str, Any]) -> None:
    """A misspelt variable would be silent: each is named by a layer that the pod reads."""
    text = "".join((_LAYERS / file.name).read_text() for file in _named(container["args"]))
    ours = {variable["name"] for variable in container["env"] if variable["name"].startswith("VOXTRACE_")}

    assert ours
    assert ours - set(re.findall(r"\$\{env:(\w+)", text)) == set()


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy"])
def test_kubernetes_selects_the_pod(rendered: dict[str, dict[str, Any]], kind: str) -> None:
    """Service and NetworkPolicy are about the Collector's pod, and name ports that it has."""
    labels = rendered["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    container = rendered["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    spec = rendered[kind]["spec"]
    if kind == "Service":
        selected, ports = spec["selector"], {port["targetPort"] for port in spec["ports"]}
    else:
        selected = spec["podSelector"]["matchLabels"]
        ports = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}

    assert selected.items() <= labels.items()
    assert ports <= {port["name"] for port in container["ports"]}


@pytest.mark.parametrize("chosen", [{}, dict.fromkeys(CHOSEN_BY.values(), "5")])
def test_compose_reads_the_layers_in_order(chosen: dict[str, str]) -> None:
    """Compose's Collector reads what the native one does, by the same variables, from this folder."""
    document = yaml.safe_load(_COMPOSE.read_text())
    collectors = [
        service for service in document["services"].values() if "base.yaml" in str(service.get("command"))
    ]
    assert collectors
    for service in collectors:
        # As compose does: what follows `:+` is there where the variable is set.
        command = re.sub(
            r"\$\{(\w+):\+(\S+)\}", lambda found: found[2] if found[1] in chosen else "", service["command"]
        )
        files = _named(command.split())
        mounted = _compose_sources(service, document.get("configs", {}))
        layers = [file.stem for file in files]

        assert [_source(file, mounted) for file in files] == [_LAYERS / f"{layer}.yaml" for layer in layers]
        assert layers == _native(*FULL, **chosen)
