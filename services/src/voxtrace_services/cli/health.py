"""Every service's checks as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from voxtrace_services.cli.duration import readable
from voxtrace_services.cli.status import inspect
from voxtrace_services.cli.waterfall import colour

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from voxtrace_services.cli.record import Record

_MEGABYTE = 10**6
_GIGABYTE = 10**9


@dataclass(frozen=True, kw_only=True)
class Examination:
    """One process: how it is in a word, and its own report if it is ours and answers."""

    name: str
    health: str
    report: Mapping[str, Any] | None

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return self.health == "ok"

    def as_dict(self) -> dict[str, Any]:
        """Return it for a program."""
        return {"name": self.name, "health": self.health, "report": self.report}


def examinations(record: Record) -> tuple[Examination, ...]:
    """Ask every process of a stack how it is, and keep all that it says."""
    asked = ((process, inspect(process)) for process in record.processes)
    return tuple(
        Examination(name=process.name, health=found.health, report=found.report) for process, found in asked
    )


def health_table(examined: Sequence[Examination]) -> Table:
    """Return a line for each service and one for each of its checks."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("service", "check", "status"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it says", overflow="fold")
    table.add_column("age", justify="right", no_wrap=True)
    for one in examined:
        report = one.report or {}
        status = one.health.partition(":")[0]
        name = Text(one.name, style=f"bold {colour(one.name)}")
        table.add_row(name, "", _status(status), Text(_condition(report), style="dim"), "")
        for check, said in report.get("checks", {}).items():
            age = said.get("age_seconds")
            table.add_row(
                "",
                check,
                _status(str(said.get("status"))),
                Text(_words(said)),
                "-" if age is None else readable(age),
            )
    return table


def _status(status: str) -> Text:
    return Text(status, style="green" if status == "ok" else "bold red")


def _words(said: Mapping[str, Any]) -> str:
    details = ", ".join(f"{name} {_amount(name, value)}" for name, value in said.get("details", {}).items())
    return ": ".join(part for part in (said.get("message"), details) if part)


def _condition(report: Mapping[str, Any]) -> str:
    return ", ".join(_conditions(report, report.get("resources", {})))


def _conditions(report: Mapping[str, Any], resources: Mapping[str, Any]) -> Iterator[str]:
    if "uptime_seconds" in report:
        yield f"up {readable(report['uptime_seconds'])}"
    if "cpu_percent" in resources:
        yield f"CPU {resources['cpu_percent']:.0f} %"
    if "memory_rss_bytes" in resources:
        yield f"memory {_bytes(resources['memory_rss_bytes'])}"
    if "open_files" in resources:
        yield f"{resources['open_files']} files open"
    if "disk_free_bytes" in resources:
        yield f"{_bytes(resources['disk_free_bytes'])} free"


def _amount(name: str, value: Any) -> str:
    if name.endswith("_bytes") and isinstance(value, int):
        return _bytes(value)
    return str(value)


def _bytes(size: int) -> str:
    return f"{size / _GIGABYTE:.1f} GB" if size >= _GIGABYTE else f"{size / _MEGABYTE:.0f} MB"
