"""Which real parts this machine has, which it lacks, and the command that installs each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from voxtrace_services.native import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from voxtrace_services.native import Part

# The order in which a reader meets them.
_NEEDS = ("demo", "full", "tests")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One part: what it is for, where it is (None when missing), and how to get it."""

    name: str
    purpose: str
    needed_for: tuple[str, ...]
    path: str | None
    version: str | None
    install: str

    def as_dict(self) -> dict[str, Any]:
        """Return the finding for programs."""
        return asdict(self)


def examine(parts: Iterable[Part] = PARTS) -> tuple[Finding, ...]:
    """Look for every part, now."""
    return tuple(_finding(part) for part in parts)


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return the findings as a table; a missing part shows its install command in place of a version."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("")
    table.add_column("part", no_wrap=True)
    table.add_column("for", no_wrap=True)
    table.add_column("version, or how to install", overflow="fold")
    for finding in findings:
        found = finding.path is not None
        table.add_row(
            Text("✓" if found else "✗", style="green" if found else "red"),
            Text(finding.name, style="" if found else "bold"),
            Text(", ".join(finding.needed_for), style="dim"),
            Text(finding.version or "found") if found else Text(finding.install, style="yellow"),
        )
    return table


def _finding(part: Part) -> Finding:
    path = part.find()
    return Finding(
        name=part.name,
        purpose=part.purpose,
        needed_for=tuple(need for need in _NEEDS if need in part.needed_for),
        path=None if path is None else str(path),
        version=None if path is None else part.version(),
        install=part.install,
    )
