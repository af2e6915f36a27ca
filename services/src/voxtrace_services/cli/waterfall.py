"""A trace drawn as a waterfall: the tree on the left, when each span ran on the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from voxtrace_services.cli.duration import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

    from voxtrace_services.cli.trace import Row, Span, Trace

# Red is kept for errors.
_COLOURS = {"gateway": "cyan", "asr": "magenta", "translation": "yellow", "synthesis": "green"}
_OTHER_COLOURS = ("blue", "bright_magenta", "bright_cyan", "bright_yellow", "bright_green", "bright_blue")
#: The services in the order in which an upload passes them.
SERVICES = tuple(_COLOURS)
_NARROWEST_BAR = 16
_DURATION_WIDTH = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class _Glyphs:
    work: str
    half_left: str
    half_right: str
    wait: str
    rail: str
    branch: str
    corner: str
    cross: str
    again: str
    question: str
    ellipsis: str
    rule: str


_UNICODE = _Glyphs(
    work="━",
    half_left="╸",
    half_right="╺",
    wait="╌",
    rail="│",
    branch="├",
    corner="└",
    cross="✗",
    again="↻",
    question="?",
    ellipsis="…",
    rule="─",
)
_ASCII = _Glyphs(
    work="=",
    half_left="=",
    half_right="=",
    wait=".",
    rail="|",
    branch="|",
    corner="`",
    cross="x",
    again="#",
    question="?",
    ellipsis="~",
    rule="-",
)


def colour(service: str) -> str:
    """Return the colour that stands for a service, the same in every table."""
    return _COLOURS.get(service) or _OTHER_COLOURS[sum(service.encode()) % len(_OTHER_COLOURS)]


@dataclass(frozen=True, kw_only=True)
class Waterfall:
    """
    A rich renderable of one trace; fits whatever width it is given.

    Too narrow for bars, it leaves the bars out rather than the names.
    """

    trace: Trace

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, the time axis, one line per span and what to know about them."""
        glyphs = _ASCII if options.ascii_only else _UNICODE
        yield from self._lines(glyphs, options.max_width)

    def _lines(self, glyphs: _Glyphs, width: int) -> Iterator[Text]:
        rows = self.trace.rows
        yield self._title()
        if not rows:
            return
        services = max(cell_len(row.span.service) for row in rows) + 1
        names = max(len(_indent(row, glyphs)) + cell_len(_label(row, glyphs).plain) for row in rows) + 1
        room = width - services - _DURATION_WIDTH - 1
        bar = room - names
        if bar < _NARROWEST_BAR:
            bar = _NARROWEST_BAR if room - _NARROWEST_BAR >= 2 * _NARROWEST_BAR else 0
            names = max(room - bar, _NARROWEST_BAR)
        if bar:
            yield self._axis(services + names + _DURATION_WIDTH + 1, bar, glyphs)
        before = ""
        for row in rows:
            service = row.span.service
            line = Text(no_wrap=True, overflow="crop")
            line.append(
                ("" if service == before else service).ljust(services), style=f"bold {colour(service)}"
            )
            line.append_text(_fit(row, names, glyphs))
            line.append(readable(row.span.seconds).rjust(_DURATION_WIDTH), style=_style(row.span))
            if bar:
                line.append(" ")
                line.append_text(self._bar(row.span, bar, glyphs))
            line.rstrip()
            yield line
            before = service
        yield from self._notes(glyphs)

    def _title(self) -> Text:
        trace = self.trace
        spans = _counted(len(trace.spans), "span")
        services = _counted(len({span.service for span in trace.spans}), "service")
        title = Text.assemble(("Trace ", "bold"), (trace.trace_id, "bold"))
        return title.append(f"  {readable(trace.seconds)}, {spans}, {services}")

    def _axis(self, offset: int, width: int, glyphs: _Glyphs) -> Text:
        """Label the axis at round times, as many as fit."""
        line = [" "] * width
        step = _round_step(self.trace.seconds, max(2, width // 12))
        tick = 0
        while step and tick * step <= self.trace.seconds:
            label = glyphs.rail + _tick(tick * step, step)
            at = min(width - 1, int(tick * step / self.trace.seconds * width))
            if at + len(label) <= width:
                line[at : at + len(label)] = label
            tick += 1
        return Text(" " * offset + "".join(line).rstrip(), style="dim", no_wrap=True, overflow="crop")

    def _bar(self, span: Span, width: int, glyphs: _Glyphs) -> Text:
        total = max(self.trace.end - self.trace.start, 1)
        halves = 2 * width
        first = min(halves - 1, (span.start - self.trace.start) * halves // total)
        last = max(first + 1, -(-(span.end - self.trace.start) * halves // total))
        cells = []
        for cell in range(first // 2, (last + 1) // 2):
            left, right = first <= 2 * cell, 2 * cell + 1 < last
            if span.is_wait:
                cells.append(glyphs.wait)
            elif left and right:
                cells.append(glyphs.work)
            else:
                cells.append(glyphs.half_left if left else glyphs.half_right)
        return Text(" " * (first // 2)).append("".join(cells), style=_style(span))

    def _notes(self, glyphs: _Glyphs) -> Iterator[Text]:
        for span in self.trace.errors:
            reason = span.attributes.get("error.type") or "failed"
            note = Text(f"{glyphs.cross} {span.service}: {span.name}: {reason}", style="red")
            attempt = span.attributes.get("voxtrace.messaging.delivery.attempt")
            if attempt is not None:
                note.append(f" (attempt {attempt})")
            yield note
        orphans = self.trace.orphans
        if orphans:
            yield Text(
                f"{glyphs.question} {_counted(len(orphans), 'span')} without a parent: "
                "the parent has not arrived yet, or was lost.",
                style="yellow",
            )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _indent(row: Row, glyphs: _Glyphs) -> str:
    if not row.depth:
        return ""
    rails = "".join(glyphs.rail if rail else " " for rail in row.rails)
    return rails + (glyphs.corner if row.last else glyphs.branch)


def _label(row: Row, glyphs: _Glyphs) -> Text:
    span = row.span
    label = Text()
    if row.orphan:
        label.append(f"{glyphs.question} ", style="bold yellow")
    if span.error:
        label.append(f"{glyphs.cross} ", style="bold red")
    style = "dim" if span.is_wait else "red" if span.error else ""
    label.append(span.name, style=style)
    attempt = span.attributes.get("voxtrace.messaging.delivery.attempt")
    if isinstance(attempt, int) and attempt > 1:
        label.append(f" {glyphs.again}{attempt}", style="yellow")
    return label


def _fit(row: Row, width: int, glyphs: _Glyphs) -> Text:
    cell = Text(_indent(row, glyphs), style="dim")
    label = _label(row, glyphs)
    room = width - 1 - cell_len(cell.plain)
    if cell_len(label.plain) > room:
        label.truncate(max(room - 1, 0))
        label.append(glyphs.ellipsis)
    line = Text().append_text(cell).append_text(label)
    line.append(" " * (width - cell_len(line.plain)))
    return line


def _style(span: Span) -> str:
    if span.error:
        return "red"
    return f"dim {colour(span.service)}" if span.is_wait else colour(span.service)


def _tick(seconds: float, step: float) -> str:
    """Label a round time in the unit of its step, without trailing zeros."""
    return f"{seconds:g} s" if step >= 0.1 else f"{seconds * 1000:g} ms"  # noqa: PLR2004 - 0.5 s reads well


def _round_step(seconds: float, most: int) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that cuts the time in at most so many parts."""
    if seconds <= 0:
        return 0
    power = -9
    while True:
        for factor in (1, 2, 5):
            step = factor * 10.0**power
            if seconds / step <= most:
                return step
        power += 1
