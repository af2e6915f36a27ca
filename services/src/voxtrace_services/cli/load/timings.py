"""Where the time of many uploads went, stage by stage, read from their traces."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voxtrace_services.cli.backend import first_document
from voxtrace_services.cli.breakdown import costs
from voxtrace_services.cli.errors import TraceMissingError, UnreachableError
from voxtrace_services.cli.load.quantiles import percentiles
from voxtrace_services.cli.trace import NANOSECONDS, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from voxtrace_services.cli.backend import Backend
    from voxtrace_services.cli.trace import Span

REQUEST, OUTBOX, WAIT, PROCESS = "request", "outbox wait", "queue wait", "process"
END_TO_END = "end to end"
_FIRST_MESSAGE, _LAST_SPAN = "publish speech:transcribe", "process speech:events"
_ROUND_SECONDS = 1.0
#: More traces than these say nothing new, and reading them is load of its own.
MOST_TRACES = 1000
# In the order in which an upload passes them.
_STAGES = ("gateway", "transcribe", "translate", "synthesize", "events", "upload")
_PARTS = (REQUEST, OUTBOX, WAIT, PROCESS, END_TO_END)


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How often one part of one stage happened, and how long it took, in seconds."""

    stage: str
    part: str
    count: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(kw_only=True)
class Timings:
    """
    What the traces of a run's uploads say.

    Attributes:
        asked: how many traces were looked for.
        whole: how many have their last span and no span without its parent.
        incomplete: how many were found and are not whole.
        seconds: the measurements, by stage and part.
        errors: how many spans failed, by service and `error.type`.
        cost: what all engine work cost and what of it failed, by currency.
        silence: why no trace could be read, when that is so.
    """

    asked: int = 0
    whole: int = 0
    incomplete: int = 0
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    cost: dict[str, tuple[float, float]] = field(default_factory=dict)
    silence: str | None = None

    @property
    def missing(self) -> int:
        """How many traces nobody knows."""
        return self.asked - self.whole - self.incomplete

    def add(self, trace: Trace) -> None:
        """Measure a trace."""
        if is_whole(trace):
            self.whole += 1
            self._measure("upload", END_TO_END, trace.seconds)
        else:
            self.incomplete += 1
        outbox = _outbox(trace)
        if outbox is not None:
            self._measure("gateway", OUTBOX, outbox)
        for span in trace.spans:
            place = _place(span)
            if place is not None:
                self._measure(*place, span.seconds)
            if span.error:
                self.errors[span.service, str(span.attributes.get("error.type") or "unknown")] += 1
        for currency, (amount, failed) in costs(trace).items():
            before = self.cost.get(currency, (0.0, 0.0))
            self.cost[currency] = (before[0] + amount, before[1] + failed)

    def rows(self) -> list[Timing]:
        """Return every part of every stage, as an upload passes them."""
        return [
            Timing(stage=stage, part=part, count=len(values), p50=p50, p95=p95, p99=p99)
            for (stage, part), values in sorted(self.seconds.items(), key=lambda item: _order(*item[0]))
            for p50, p95, p99 in [percentiles(values)]
        ]

    def _measure(self, stage: str, part: str, seconds: float) -> None:
        self.seconds.setdefault((stage, part), []).append(seconds)


def is_whole(trace: Trace) -> bool:
    """Tell whether the span that ends an upload's journey is there, and no parent is missing."""
    return any(span.name == _LAST_SPAN for span in trace.spans) and not trace.orphans


def collect(
    backends: Sequence[Backend],
    trace_ids: Sequence[str],
    *,
    seconds: float,
    tell: Callable[[int, int], None] = lambda _found, _asked: None,
) -> Timings:
    """
    Read traces until they are whole or the time is over; of very many, every so-manieth.

    Args:
        backends: who is asked, in this order.
        trace_ids: which traces.
        seconds: how long to wait for those that are not there yet.
        tell: told how many are whole, of how many.
    """
    every = -(-len(trace_ids) // MOST_TRACES) or 1
    asked = list(dict.fromkeys(trace_ids))[::every]
    deadline = time.monotonic() + seconds
    found: dict[str, Trace] = {}
    open_ones, silence = asked, None
    while open_ones:
        for trace_id in open_ones:
            try:
                _, document = first_document(backends, trace_id)
            except TraceMissingError:
                continue
            except UnreachableError as error:
                silence = str(error)
                break
            found[trace_id] = Trace.from_otlp(document, trace_id)
            silence = None
        open_ones = [one for one in asked if one not in found or not is_whole(found[one])]
        tell(len(asked) - len(open_ones), len(asked))
        if silence is not None or time.monotonic() > deadline:
            break
        if open_ones:
            time.sleep(_ROUND_SECONDS)
    timings = Timings(asked=len(asked), silence=silence)
    for trace in found.values():
        timings.add(trace)
    return timings


def _place(span: Span) -> tuple[str, str] | None:
    """Say which part of which stage a span stands for; most stand for none."""
    if span.is_wait:
        return span.name.removeprefix("wait "), WAIT
    if span.kind == "CONSUMER" and span.name.startswith("process "):
        return span.name.rpartition(":")[2], PROCESS
    if span.kind == "SERVER":
        return "gateway", REQUEST
    return None


def _outbox(trace: Trace) -> float | None:
    """Return how long an upload that was taken lay in the gateway's outbox: until it went to the broker."""
    taken = [span.end for span in trace.spans if span.kind == "SERVER"]
    sent = [span.start for span in trace.spans if span.name == _FIRST_MESSAGE]
    # The outbox may be faster than the answer to the client.
    return max(0, min(sent) - min(taken)) / NANOSECONDS if taken and sent else None


def _order(stage: str, part: str) -> tuple[int, str, int]:
    known = _STAGES.index(stage) if stage in _STAGES else len(_STAGES)
    return known, stage, _PARTS.index(part)
