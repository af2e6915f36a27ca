"""docker-compose.yml, .env and the Dockerfile, as files: no container needs to run for these."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from voxtrace_services.native.layout import root, setting

_TEXT = (root() / "docker-compose.yml").read_text(encoding="utf-8")
_DOCUMENT = yaml.safe_load(_TEXT)
_SERVICES: dict[str, dict[str, Any]] = _DOCUMENT["services"]
_DOCKERFILE = (root() / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8")
_ENV = {name: value or "" for name, value in dotenv_values(root() / ".env").items()}

#: What ends by itself, and says by its exit status how.
_ONCE = {"setup", "voxtrace", "load"}
_EDGE = "${VOXTRACE_PUBLISH_HOST}:${VOXTRACE_GATEWAY_PORT}:8080"
_SECRET = re.compile(r"(?i)password|passwd|secret|token|_pass")
_IMAGE = re.compile(r"\$\{VOXTRACE_\w+_IMAGE\}|voxtrace/\w+:\$\{VOXTRACE_TAG\}")


def _faults(name: str, service: dict[str, Any]) -> set[str]:
    """What a service lacks of what each must have."""
    options = service.get("logging", {}).get("options", {})
    ports = service.get("ports", ())
    held = {
        "user": str(service.get("user", "0")).partition(":")[0] not in {"0", "root", ""},
        "read_only": service.get("read_only") is True,
        "capabilities": service.get("cap_drop") == ["ALL"] and not {"cap_add", "privileged"} & service.keys(),
        "no-new-privileges": service.get("security_opt") == ["no-new-privileges:true"],
        **{limit: bool(service.get(limit)) for limit in ("mem_limit", "cpus", "pids_limit")},
        "tmpfs": all("noexec" in place and "size=" in place for place in service.get("tmpfs", [""])),
        "logging": options.keys() == {"max-size", "max-file"},
        "healthcheck": name in _ONCE or bool(service.get("healthcheck", {}).get("test")),
        "ports": all(port.startswith("127.0.0.1:") or port == _EDGE for port in ports),
        "image": _IMAGE.fullmatch(service.get("image", "")) is not None,
    }
    return _told(service) | {point for point, holds in held.items() if not holds}


def _told(service: dict[str, Any]) -> set[str]:
    """The variables that hold a secret, or an address with one."""
    return {
        variable
        for variable, value in service.get("environment", {}).items()
        # A path is no secret.
        if (_SECRET.search(variable) and not str(value).startswith("/run/secrets"))
        or re.search(r"://[^/@\s]+:[^/@\s]+@", str(value))
    }


@pytest.mark.parametrize("name", _SERVICES)
def test_each_service_is_confined(name: str) -> None:
    """No root, no capability, read-only, limits, a health check, loopback, an image by .env, no password."""
    assert _faults(name, _SERVICES[name]) == set()


def test_an_open_service_is_noticed() -> None:
    """The check above fails on each of its points."""
    service = {
        "user": "0",
        "image": "rabbitmq:latest",
        "ports": ["15672:15672"],
        "environment": {"RABBITMQ_DEFAULT_PASS": "guest", "URL": "amqp://guest:guest@rabbitmq"},
    }
    assert _faults("rabbitmq", service) == {
        *(
            "user",
            "read_only",
            "capabilities",
            "no-new-privileges",
            "mem_limit",
            "cpus",
            "pids_limit",
            "tmpfs",
        ),
        *("logging", "healthcheck", "ports", "image", "RABBITMQ_DEFAULT_PASS", "URL"),
    }


def test_every_volume_is_named() -> None:
    """What is written is in a named volume; what comes from the repository is mounted read-only."""
    named = set(_DOCUMENT["volumes"])
    used = set()
    for name, service in _SERVICES.items():
        for volume in service.get("volumes", ()):
            source, _, rest = re.sub(r"\$\{[^}]*:-([^}]*)\}", r"\1", volume).partition(":")
            if source.startswith("./"):
                assert rest.endswith(":ro"), (name, volume)
                assert (root() / source).exists(), (name, volume)
            else:
                used.add(source)
    assert used == named


def test_secrets_are_read_by_their_readers_alone() -> None:
    """Who is given secrets gets them read-only, but for `setup`, which writes them."""
    mounts = [
        (name, volume)
        for name, service in _SERVICES.items()
        for volume in service.get("volumes", ())
        if "-secrets:" in volume and name != "setup"
    ]
    assert len(mounts) == 8
    assert {volume.partition(":")[2] for _, volume in mounts} == {"/run/secrets:ro"}


def test_few_have_a_way_out() -> None:
    """Two networks are not internal: one for those who publish a port, one for what the Collector sends."""
    outward = {name for name, network in _DOCUMENT["networks"].items() if not (network or {}).get("internal")}
    assert outward == {"edge", "backend"}
    inside = {name for name, service in _SERVICES.items() if "edge" in service.get("networks", ())}
    assert inside == {name for name, service in _SERVICES.items() if service.get("ports")}
    assert [name for name, service in _SERVICES.items() if "backend" in service.get("networks", ())] == [
        "collector"
    ]


def test_images_are_of_one_version_each() -> None:
    """No image is `latest`; the Collector and Jaeger in containers are those that are built natively."""
    images = {name: value for name, value in _ENV.items() if name.endswith("_IMAGE")}
    assert {f"${{{name}}}" for name in images} - {"${VOXTRACE_PYTHON_IMAGE}"} == {
        service["image"] for service in _SERVICES.values() if "build" not in service
    }
    tags = {name: value.partition("@")[0].rpartition(":")[2] for name, value in images.items()}
    assert [name for name, tag in tags.items() if tag in {"", "latest"} or not tag[-1].isalnum()] == []
    assert tags["VOXTRACE_COLLECTOR_IMAGE"] == setting("VOXTRACE_COLLECTOR_VERSION")
    _, minor, patch = setting("VOXTRACE_JAEGER_VERSION").split(".")
    assert tags["VOXTRACE_JAEGER_IMAGE"] == f"2.{int(minor) - 63}.{patch}"


def test_prometheus_scrapes_the_same_jobs_in_containers() -> None:
    """Each file of targets for loopback has its like for containers, which names a service of compose."""
    native, composed = (root() / "deploy" / folder / "targets" for folder in ("prometheus", "docker"))
    assert {path.name for path in composed.iterdir()} == {path.name for path in native.iterdir()}
    for path in composed.iterdir():
        ((target,),) = [group["targets"] for group in yaml.safe_load(path.read_text(encoding="utf-8"))]
        assert target.partition(":")[0] in _SERVICES


def test_the_dockerfile_needs_no_newer_builder() -> None:
    """The builder of Docker 20.10 reads it: no syntax line, no mounts in RUN; it has every target named."""
    assert not re.search(r"(?m)^#\s*syntax=|^RUN --|^COPY --(?!from=)|<<", _DOCKERFILE)
    targets = set(re.findall(r"(?m)^FROM \S+ AS (\S+)$", _DOCKERFILE))
    assert {service["build"]["target"] for service in _SERVICES.values() if "build" in service} <= targets


def test_what_images_hold_is_hashed() -> None:
    """Whatever the Dockerfile installs from an index is pinned by hash."""
    installs = [line for line in _DOCKERFILE.splitlines() if re.search(r"pip\b.* install", line)]
    assert installs
    for line in installs:
        assert "--require-hashes" in line or "--offline" in line, line
    for path in (root() / "requirements" / "image").glob("*.txt"):
        blocks = re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip())
        assert [block for block in blocks if "--hash=sha256:" not in block] == [], path.name
