"""Where the platform's servers answer: given, of the stack that is up, or by the ports in `.env`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxtrace_services.cli.record import Record
from voxtrace_services.native.errors import LayoutError
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK, Ports

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Base URLs of the servers that the command talks to."""

    gateway: str
    console: str
    jaeger: str


def data_dir() -> Path:
    """Return where the platform keeps its data: `VOXTRACE_DATA_DIR`, else `.voxtrace` in the checkout."""
    given = os.environ.get("VOXTRACE_DATA_DIR")
    return Path(given).resolve() if given else root() / ".voxtrace"


def console_token(console: str) -> str | None:
    """Return what to show a console that somebody runs with a token; nothing for that of our own stack."""
    token = os.environ.get("VOXTRACE_CONSOLE_TOKEN")
    if not token or console == _of_the_stack().get("console"):
        return None
    return token


def resolve(
    *, gateway: str | None = None, console: str | None = None, jaeger: str | None = None
) -> Addresses:
    """Return every address; what is not given comes from the stack that is up, or from the ports."""
    if gateway and console and jaeger:
        return Addresses(gateway=gateway, console=console, jaeger=jaeger)
    known = _of_the_stack()
    ports = Ports.load()
    return Addresses(
        gateway=gateway or known.get("gateway") or f"http://{LOOPBACK}:{ports.gateway}",
        console=console or known.get("console") or f"http://{LOOPBACK}:{ports.console}",
        jaeger=jaeger or known.get("jaeger") or f"http://{LOOPBACK}:{ports.jaeger}",
    )


def worker(name: str) -> str:
    """Return the base URL of a worker's health port: of the stack that is up, or by the ports."""
    try:
        record = Record.read(data_dir())
    except LayoutError:
        record = None
    if record is not None and record.alive:
        for process in record.processes:
            if process.name == name and process.health is not None:
                return process.health.removesuffix("/health")
    return f"http://{LOOPBACK}:{getattr(Ports.load(), f'{name}_health')}"


def _of_the_stack() -> Mapping[str, str]:
    try:
        record = Record.read(data_dir())
    except LayoutError:
        return {}  # away from a checkout there is no stack of ours
    return record.addresses if record is not None and record.alive else {}
