"""How each process of a running stack is."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from rich import box
from rich.table import Table
from rich.text import Text

from voxtrace_services.cli.errors import StackError
from voxtrace_services.cli.record import Record
from voxtrace_services.cli.waterfall import colour
from voxtrace_services.native.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from voxtrace_services.cli.record import ProcessRecord

_ASK_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One process: `health` is ok, what it says of itself, `no answer` or `dead`."""

    name: str
    pid: int
    port: int | None
    health: str

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return self.health == "ok"


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a process said when asked: in a word as a Standing has it, and in full where it is ours."""

    health: str
    report: Mapping[str, Any] | None = None


def running(data_dir: Path) -> Record:
    """
    Return the stack that is up.

    Raises:
        StackError: when there is none.
    """
    record = Record.read(data_dir)
    if record is None or not (record.alive or any(process.alive for process in record.processes)):
        raise StackError("Nothing is up. Start the platform with: voxtrace up")
    return record


def inspect(process: ProcessRecord) -> Inspection:
    """Ask a process how it is."""
    if not process.alive:
        return Inspection(health="dead")
    try:
        if process.health is None:
            with socket.create_connection((LOOPBACK, process.port or 0), timeout=_ASK_SECONDS):
                return Inspection(health="ok")
        answer = httpx.get(process.health, timeout=_ASK_SECONDS, trust_env=False)
    except (OSError, httpx.HTTPError):
        return Inspection(health="no answer")
    return _said(answer)


def survey(record: Record) -> tuple[Standing, ...]:
    """Ask every process of a stack how it is."""
    return tuple(
        Standing(name=process.name, pid=process.pid, port=process.port, health=inspect(process).health)
        for process in record.processes
    )


def standings_table(standings: Sequence[Standing]) -> Table:
    """Return the standings as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("process", "pid", "port", "health"):
        table.add_column(heading, justify="right" if heading in {"pid", "port"} else "left", no_wrap=True)
    for standing in standings:
        table.add_row(
            Text(standing.name, style=colour(standing.name)),
            str(standing.pid),
            "-" if standing.port is None else str(standing.port),
            Text(standing.health, style="green" if standing.well else "bold red"),
        )
    return table


def _said(answer: httpx.Response) -> Inspection:
    """Our services say what is wrong with them; of the others the HTTP status is enough."""
    health = "ok" if answer.is_success else f"HTTP {answer.status_code}"
    try:
        report = answer.json()
    except ValueError:
        report = None
    if not isinstance(report, dict) or not isinstance(report.get("checks"), dict):
        return Inspection(health=health)
    wrong = [name for name, check in report["checks"].items() if check.get("status") != "ok"]
    if wrong:
        health = f"{report.get('status', 'failing')}: {', '.join(wrong)}"
    return Inspection(health=health, report=report)
