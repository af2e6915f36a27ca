"""The report as a reader wants it: on the terminal, in Markdown, as a page, as JSON."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voxtrace_services.cli.duration import readable
from voxtrace_services.cli.load.ledger import tallies
from voxtrace_services.cli.load.quantiles import percentiles

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from rich.console import RenderableType

    from voxtrace_services.cli.load.ledger import Ledger
    from voxtrace_services.cli.load.report import Report

_PAGE_WIDTH = 120
_COUNTS = ("sent", "accepted", "refused", "completed", "failed", "in flight", "unexpected")


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A table of the report: its first columns are words, the rest are numbers."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def kinds(ledger: Ledger, *, seconds: float) -> Section:
    """Return what was sent of each kind and what became of it, and how fast the gateway answered."""
    return Section(
        title="Requests",
        headings=("kind", *_COUNTS, "rate", "p50", "p95"),
        rows=tuple(
            (
                tally.kind,
                str(tally.sent),
                str(tally.accepted),
                str(tally.refused),
                str(tally.completed),
                str(tally.failed),
                str(tally.in_flight),
                str(tally.unexpected),
                f"{tally.sent / seconds:.2f}/s" if seconds else "-",
                *(_seconds(value) for value in percentiles(tally.request_seconds)[:2]),
            )
            for tally in tallies(ledger)
        ),
    )


def sections(report: Report) -> Iterator[Section]:
    """Yield the report's tables; those that would be empty are left out."""
    yield kinds(report.ledger, seconds=report.throughput.sending)
    throughput, timings = report.throughput, report.timings
    factor = throughput.real_time_factor
    yield Section(
        title="Throughput",
        headings=("", "value"),
        rows=(
            ("time", readable(throughput.seconds)),
            ("requests begun", f"{throughput.offered:.2f}/s"),
            ("uploads completed", f"{throughput.uploads_per_second:.2f}/s"),
            ("speech completed", f"{throughput.audio_per_second:.2f} s/s"),
            ("real-time factor of the whole", "-" if factor is None else f"{factor:.3f}"),
        ),
    )
    yield from _filled(
        Section(
            title="Stages, from the traces",
            headings=("stage", "part", "count", "p50", "p95", "p99"),
            rows=tuple(
                (row.stage, row.part, str(row.count), *map(_seconds, (row.p50, row.p95, row.p99)))
                for row in timings.rows()
            ),
            words=2,
        ),
        _errors("Not as expected", ("kind", "what"), report.surprises),
        _errors("Refused, as expected", ("kind", "code"), report.refusals),
        _errors("Given up by the pipeline", ("stage", "reason", "kind"), report.failures),
        _errors("Failed spans", ("service", "error.type"), timings.errors),
        Section(
            title="Cost",
            headings=("currency", "amount", "on failed attempts"),
            rows=tuple(
                (currency, f"{amount:.6g}", f"{failed:.6g}")
                for currency, (amount, failed) in timings.cost.items()
            ),
        ),
    )
    yield Section(
        title="Traces",
        headings=("", "count"),
        rows=(
            ("looked for", str(timings.asked)),
            ("whole", str(timings.whole)),
            ("incomplete", str(timings.incomplete)),
            ("missing", str(timings.missing)),
        ),
    )


def verdict(report: Report) -> Iterator[str]:
    """Yield the lines that say whether the run went well, and what to know beside."""
    if report.interrupted:
        yield "Interrupted: what had been accepted by then goes on without us."
    if report.well:
        yield (
            "What was known by then went as expected."
            if report.interrupted
            else "Everything went as expected."
        )
    else:
        yield f"Not as expected: {'; '.join(report.problems)}."
    if report.timings.silence is not None:
        yield f"No traces could be read. {report.timings.silence}"
    elif report.timings.missing or report.timings.incomplete:
        yield (
            "Some traces are not there, or not whole: sampled out, still on their way, or lost "
            "(see docs/load.md)."
        )


def table(section: Section) -> Table:
    """Return a section for a terminal."""
    drawn = Table(
        title=section.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for position, heading in enumerate(section.headings):
        drawn.add_column(heading, justify="left" if position < section.words else "right", no_wrap=True)
    marked = section.headings.index("unexpected") if "unexpected" in section.headings else None
    for row in section.rows:
        drawn.add_row(*(Text(cell, style=_style(cell, at == marked)) for at, cell in enumerate(row)))
    return drawn


def drawn(report: Report) -> Iterator[RenderableType]:
    """Yield the report for a terminal."""
    for section in sections(report):
        yield table(section)
        yield ""
    for line in verdict(report):
        yield Text(line, style="green" if report.well else "red")


def save(report: Report, path: Path) -> None:
    """Write the report to a file, as its name says: .json, .md or .html."""
    path.write_text(FORMS[path.suffix.lower()](report), encoding="utf-8")


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    lines = ["# Load", "", *verdict(report)]
    for section in sections(report):
        rule = ("---" if at < section.words else "---:" for at in range(len(section.headings)))
        lines += ["", f"## {section.title}", "", _line(section.headings), _line(rule)]
        lines += map(_line, section.rows)
    return "\n".join(lines) + "\n"


def html(report: Report) -> str:
    """Return the report as a page of its own, that loads nothing."""
    page = Console(record=True, file=io.StringIO(), width=_PAGE_WIDTH, highlight=False)
    for part in drawn(report):
        page.print(part)
    return page.export_html(inline_styles=True)


def document(report: Report) -> str:
    """Return the report as JSON."""
    return json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n"


#: How a report is written, by a file's ending.
FORMS: Mapping[str, Callable[[Report], str]] = {".json": document, ".md": markdown, ".html": html}


def _errors(title: str, headings: tuple[str, ...], counter: Counter[Any]) -> Section:
    rows = tuple((*key, str(count)) for key, count in sorted(counter.items()))
    return Section(title=title, headings=(*headings, "count"), rows=rows, words=len(headings))


def _filled(*sections: Section) -> Iterator[Section]:
    return (section for section in sections if section.rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _seconds(value: float | None) -> str:
    return "-" if value is None else readable(value)


def _style(cell: str, marked: bool) -> str:
    if marked:
        return "red" if cell != "0" else "dim"
    return "dim" if cell in {"0", "-"} else ""
