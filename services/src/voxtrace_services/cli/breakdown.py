"""Where the time of one trace went, queues, engines and all the rest, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from voxtrace import semconv
from voxtrace_services.cli.duration import readable
from voxtrace_services.cli.trace import NANOSECONDS
from voxtrace_services.cli.waterfall import colour

if TYPE_CHECKING:
    from voxtrace_services.cli.trace import Trace

WAITING = "waiting in queues"
REST = "everything else"
_BAR_WIDTH = 30


def shares(trace: Trace) -> dict[str, float]:
    """
    Return the seconds that went to each kind of work, in order of its first start, the rest last.

    Queues and engine operations are unions of intervals, so that nothing counts twice within a kind.
    """
    intervals: dict[str, list[tuple[int, int]]] = {}
    for span in trace.spans:
        work = WAITING if span.is_wait else span.operation
        if work:
            intervals.setdefault(work, []).append((span.start, span.end))
    seconds = {work: _union(spans) / NANOSECONDS for work, spans in intervals.items()}
    everything = [interval for spans in intervals.values() for interval in spans]
    return {**seconds, REST: trace.seconds - _union(everything) / NANOSECONDS}


def costs(trace: Trace) -> dict[str, tuple[float, float]]:
    """Return by currency what all engine work of the trace cost, and how much of it failed attempts did."""
    found: dict[str, tuple[float, float]] = {}
    for span in trace.spans:
        amount = span.attributes.get(semconv.SPEECH_COST_AMOUNT)
        if isinstance(amount, int | float):
            currency = str(span.attributes.get(semconv.SPEECH_COST_CURRENCY, ""))
            whole, failed = found.get(currency, (0.0, 0.0))
            found[currency] = (whole + amount, failed + amount * span.error)
    return found


def breakdown(trace: Trace) -> Table:
    """Return the shares as a table with bars, each in its service's colour, and what the trace cost."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.title = Text(f"Where {readable(trace.seconds)} went", style="bold")
    table.title_justify = "left"
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    services = {span.operation: span.service for span in trace.spans if span.operation}
    for work, seconds in shares(trace).items():
        style = colour(services[work]) if work in services else "dim"
        portion = seconds / trace.seconds if trace.seconds else 0.0
        bar = "━" * round(portion * _BAR_WIDTH)
        table.add_row(
            Text(work), Text(readable(seconds)), Text(f"{portion:.0%}", style="dim"), Text(bar, style=style)
        )
    for currency, (whole, failed) in costs(trace).items():
        wasted = f"{failed:.4g} {currency} on failed attempts" if failed else ""
        table.add_row(Text("cost"), Text(f"{whole:.4g}"), Text(currency), Text(wasted, style="dim"))
    return table


def _union(intervals: list[tuple[int, int]]) -> int:
    total, reached = 0, 0
    for start, end in sorted(intervals):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
