"""What each container may do, and who can reach it: asked of the kernel and the engine, not of the file."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

from compose import inside
from compose.composed import Composed

#: Service -> its user, where it may write, and the ports on which it listens for other containers.
EXPECTED = {
    "alertmanager": (65534, {"/alertmanager"}, {9093}),
    "asr": (10101, {"/var/lib/voxtrace/artifacts"}, set()),
    "collector": (10001, {"/var/lib/otelcol"}, {4317, 4318, 8888, 8889, 13133}),
    "console": (10101, {"/var/lib/voxtrace"}, {4318}),
    "gateway": (10101, {"/var/lib/voxtrace/artifacts"}, {8080}),
    "grafana": (472, {"/var/lib/grafana"}, {3000}),
    "jaeger": (10001, {"/var/lib/jaeger"}, {4327, 8887, 13134, 16685, 16686}),
    "postgresql": (999, {"/var/lib/postgresql/data", "/run/postgresql"}, {5432}),
    "prometheus": (65534, {"/prometheus"}, {9090}),
    "rabbitmq": (999, {"/var/lib/rabbitmq"}, {5672, 15692}),
    "synthesis": (10101, {"/var/lib/voxtrace/artifacts"}, set()),
    "translation": (10101, {"/var/lib/voxtrace/artifacts"}, set()),
    "valkey": (999, {"/data"}, {6379}),
}
#: Whom people reach from this machine.
PUBLISHED = {"alertmanager", "console", "gateway", "grafana", "jaeger", "prometheus"}
SECRETS = ("rabbitmq", "postgresql", "valkey", "grafana")
#: The engine's own; what is writable in them is made for the container.
_KERNEL = ("/proc", "/sys", "/dev")


@pytest.fixture(scope="module", name="containers")
def _containers(pipeline: Composed) -> dict[str, dict[str, Any]]:
    """Each running container, by service."""
    return pipeline.containers()


def test_these_containers_run(containers: dict[str, dict[str, Any]]) -> None:
    """Every service runs and is healthy; what was to run once has ended."""
    assert {name: one["State"]["Health"]["Status"] for name, one in containers.items()} == dict.fromkeys(
        EXPECTED, "healthy"
    )


@pytest.mark.parametrize("service", EXPECTED)
def test_no_process_is_root_or_can_become_it(containers: dict[str, dict[str, Any]], service: str) -> None:
    """Each process has its image's user, no capability, no way to gain one, and a filter on system calls."""
    user, _, _ = EXPECTED[service]
    found = inside.statuses(containers[service])
    assert found
    for one in found:
        said = {name: one[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        assert said == dict.fromkeys(said, "0" * 16), one["Name"]
        assert (one["NoNewPrivs"], one["Seccomp"]) == ("1", "2"), one["Name"]
        assert set(one["Uid"].split()) == {str(user)}, one["Name"]


@pytest.mark.parametrize("service", EXPECTED)
def test_only_volumes_and_memory_can_be_written(containers: dict[str, dict[str, Any]], service: str) -> None:
    """The root is read-only; writable are the service's own volume, and /tmp, where nothing can be run."""
    _, places, _ = EXPECTED[service]
    process = inside.first(containers[service])
    mounts = {
        place: mount for place, mount in inside.mounts(process).items() if not place.startswith(_KERNEL)
    }
    assert "ro" in mounts["/"][1]
    # The engine's own files for names are mounted one by one, and nobody but root may write them.
    writable = {
        place for place, (_, options) in mounts.items() if "rw" in options and not place.startswith("/etc/")
    }
    assert writable == places | {"/tmp"}  # noqa: S108  the place under test
    for place in writable:
        kind, options = mounts[place]
        assert kind != "tmpfs" or options >= {"noexec", "nosuid", "nodev"}, place


@pytest.mark.parametrize("service", EXPECTED)
def test_who_listens_where(containers: dict[str, dict[str, Any]], service: str) -> None:
    """A container listens for others on the ports it is known for, and on no other but loopback."""
    _, _, ports = EXPECTED[service]
    found = inside.listeners(inside.first(containers[service]))
    # The engine's name server is on a loopback address of the container.
    assert {port for scope, port in found if scope == "any"} == ports


@pytest.mark.parametrize("service", EXPECTED)
def test_every_container_has_a_limit(containers: dict[str, dict[str, Any]], service: str) -> None:
    """Memory, CPU and the number of processes are bounded, and so is what is logged."""
    said = containers[service]["HostConfig"]
    assert 0 < said["Memory"] <= 2 * 1024**3
    assert 0 < said["NanoCpus"] <= 2_000_000_000
    assert 0 < said["PidsLimit"] <= 512
    assert said["LogConfig"]["Config"] == {"max-file": "3", "max-size": "10m"}
    assert not said["Privileged"]


def test_only_the_edge_is_published_on_loopback(
    pipeline: Composed, containers: dict[str, dict[str, Any]]
) -> None:
    """This machine alone reaches the gateway and the pages for people; nothing else has a port here."""
    bound = {
        name: {
            binding["HostIp"]
            for bindings in one["NetworkSettings"]["Ports"].values()
            for binding in bindings or ()
        }
        for name, one in containers.items()
    }
    assert {name: hosts for name, hosts in bound.items() if hosts} == {
        name: {"127.0.0.1"} for name in PUBLISHED
    }
    ours = {pipeline.ports.gateway, pipeline.ports.console, pipeline.ports.jaeger, pipeline.ports.prometheus}
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ours
    }
    assert listening == {("127.0.0.1", port) for port in ours}


def test_secrets_are_made_up_and_kept_to_their_readers(
    pipeline: Composed, containers: dict[str, dict[str, Any]]
) -> None:
    """Each password is long and its own, in nobody's environment or command, and mounted by its readers."""
    found = {server: pipeline.secret(f"{server}/password") for server in SECRETS}
    assert len(set(found.values())) == len(SECRETS)
    assert all(len(password) >= 40 for password in found.values())
    told = str(list(containers.values()))
    assert [server for server, password in found.items() if password in told] == []
    volumes = {
        name: {
            mount["Name"].partition("_")[2]
            for mount in one["Mounts"]
            if mount["Destination"] == "/run/secrets"
        }
        for name, one in containers.items()
    }
    own = {server: {f"{server}-secrets"} for server in SECRETS}
    workers = {name: {"worker-secrets"} for name in ("asr", "synthesis", "translation")}
    assert {name: mounted for name, mounted in volumes.items() if mounted} == {
        **own,
        **workers,
        "gateway": {"gateway-secrets"},
    }
