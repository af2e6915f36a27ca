"""Where the time went."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from voxtrace_services.cli.breakdown import breakdown, costs, shares
from voxtrace_services.cli.trace import Span, Trace

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def test_shares(upload_document: dict[str, Any]) -> None:
    """Queues and engines are counted once each; the rest is what neither covers."""
    assert shares(Trace.from_otlp(upload_document, TRACE_ID)) == pytest.approx(
        {"waiting in queues": 0.226, "speech_to_text": 1.638, "everything else": 2.0 - 0.226 - 1.638}
    )


def test_overlap() -> None:
    """Two waits at the same time are one wait."""
    waits = [
        {
            "spanId": span_id,
            "name": "wait a",
            "kind": 1,
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + 2 * 10**9),
        }
        for span_id, start in (("01", 0), ("02", 10**9))
    ]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": waits}]}]}

    assert shares(Trace.from_otlp(document, TRACE_ID)) == {"waiting in queues": 3.0, "everything else": 0.0}


def test_picture(upload_document: dict[str, Any]) -> None:
    """Each kind of work has its time, its share and a bar of that share."""
    buffer = io.StringIO()
    Console(file=buffer, width=80).print(breakdown(Trace.from_otlp(upload_document, TRACE_ID)))

    assert [line.rstrip() for line in buffer.getvalue().splitlines()] == [
        "Where 2.00 s went",
        "waiting in queues  226 ms  11%  ━━━",
        "speech_to_text     1.64 s  82%  ━━━━━━━━━━━━━━━━━━━━━━━━━",
        "everything else    136 ms   7%  ━━",
    ]


def test_empty_trace() -> None:
    """A trace of no time divides by nothing."""
    assert shares(Trace(trace_id=TRACE_ID, spans=())) == {"everything else": 0.0}
    assert breakdown(Trace(trace_id=TRACE_ID, spans=())).row_count == 1


def priced(amount: float, *, error: bool = False) -> Span:
    """An engine's span that was told what it cost."""
    return Span(
        span_id="01",
        parent_id=None,
        service="asr",
        name="speech_to_text tiny.en",
        kind="INTERNAL",
        start=0,
        end=10**9,
        error=error,
        attributes={"speech.cost.amount": amount, "speech.cost.currency": "EUR"},
    )


def test_costs() -> None:
    """All attempts are paid for, and what the failed ones cost is told apart."""
    trace = Trace(trace_id=TRACE_ID, spans=(priced(0.25), priced(0.5, error=True)))
    assert costs(trace) == {"EUR": (0.75, 0.5)}
    buffer = io.StringIO()
    Console(file=buffer, width=80).print(breakdown(trace))
    last = " ".join(buffer.getvalue().splitlines()[-1].split())
    assert last == "cost 0.75 EUR 0.5 EUR on failed attempts"
