"""The port numbers of every process, from `.env` or free ones."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import psutil

from voxtrace_services.native.errors import NativeError, PortTakenError
from voxtrace_services.native.layout import setting

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOPBACK = "127.0.0.1"

# Below the kernel's ephemeral range (32768 up), so that no outgoing connection
# takes a port between the moment we find it free and the moment a server binds it.
_FREE_RANGE = range(20000, 32000)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """One port per listener; `VOXTRACE_<FIELD>_PORT` in `.env` or the environment."""

    gateway: int
    console: int
    asr_health: int
    translation_health: int
    synthesis_health: int
    gateway_metrics: int
    asr_metrics: int
    translation_metrics: int
    synthesis_metrics: int
    amqp: int
    amqp_dist: int
    amqp_metrics: int
    epmd: int
    collector_grpc: int
    collector_http: int
    collector_metrics: int
    collector_self_metrics: int
    collector_health: int
    jaeger: int
    jaeger_grpc: int
    jaeger_otlp: int
    jaeger_self_metrics: int
    jaeger_health: int
    prometheus: int
    grafana: int
    alertmanager: int

    @classmethod
    def load(cls) -> Ports:
        """Read the ports from `.env`; a variable of the same name in the environment wins."""
        return cls(**{field.name: _port(variable(field.name)) for field in fields(cls)})

    @classmethod
    def free(cls) -> Ports:
        """Pick ports that nobody listens on, all different."""
        names = [field.name for field in fields(cls)]
        return cls(**dict(zip(names, free_ports(len(names)), strict=True)))

    def environment(self) -> dict[str, str]:
        """The same ports as the environment variables that configuration files name."""
        return {variable(field.name): str(getattr(self, field.name)) for field in fields(self)}


def variable(name: str) -> str:
    """The environment variable of one `Ports` field."""
    return f"VOXTRACE_{name.upper()}_PORT"


def free_ports(count: int) -> list[int]:
    """Find as many different ports on loopback that can be bound right now."""
    found: set[int] = set()
    while len(found) < count:
        port = _FREE_RANGE[secrets.randbelow(len(_FREE_RANGE))]
        if port not in found and _bindable(port):
            found.add(port)
    return list(found)


def require_free(owner: str, ports: Iterable[tuple[str, int]]) -> None:
    """
    Check that a process may listen on its ports.

    Raises:
        PortTakenError: naming the port, who holds it and which variable moves ours.
    """
    for name, port in ports:
        if not _bindable(port):
            raise PortTakenError(
                f"{owner} needs port {port}, which {_holder(port)} holds. "
                f"Stop that process, or set {variable(name)} to another port."
            )


def _port(name: str) -> int:
    text = setting(name)
    port = int(text) if text.isdecimal() else 0
    if not 0 < port < 2**16:
        raise NativeError(f"{name} is {text!r}: set it to a port number (1 to 65535).")
    return port


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        # A port in TIME_WAIT is free for a server, which sets this option too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return "another process"
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or connection.pid is None:
            continue
        if connection.laddr and connection.laddr.port == port:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                break
    return "another process"
