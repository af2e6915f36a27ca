"""Times read from traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from unit.services.cli.conftest import TRACE_ID, document, span
from voxtrace_services.cli.backend import Backend
from voxtrace_services.cli.load.quantiles import percentiles
from voxtrace_services.cli.load.timings import MOST_TRACES, Timing, Timings, collect
from voxtrace_services.cli.trace import Trace

WHOLE = document(
    gateway=[
        span("01", "", "POST /v1/uploads", 2, 0, 20),
        span("02", "01", "publish speech:transcribe", 4, 50, 55),
        span("09", "05", "process speech:events", 5, 600, 700),
    ],
    asr=[
        span("03", "02", "wait transcribe", 1, 55, 155),
        span(
            "04",
            "02",
            "process speech:transcribe",
            5,
            155,
            555,
            error=True,
            attributes={"error.type": "audio_undecodable"},
        ),
        span("05", "04", "publish speech:events", 4, 550, 555),
    ],
)


def _row(stage: str, part: str, seconds: float) -> Timing:
    return Timing(stage=stage, part=part, count=1, p50=seconds, p95=seconds, p99=seconds)


def test_percentiles() -> None:
    """Percentiles are interpolated between the measurements, and nothing where there are none."""
    assert percentiles([]) == (None, None, None)
    assert percentiles([0.25]) == (0.25, 0.25, 0.25)
    assert percentiles([float(value) for value in range(101)]) == (50.0, 95.0, 99.0)
    assert percentiles([1.0, 2.0]) == (1.5, pytest.approx(1.95), pytest.approx(1.99))


def test_a_trace_is_measured_stage_by_stage() -> None:
    """The request, the outbox, each wait, each piece of work and the whole are measured, in their order."""
    timings = Timings(asked=1)
    timings.add(Trace.from_otlp(WHOLE, TRACE_ID))

    assert timings.rows() == [
        _row("gateway", "request", 0.02),
        _row("gateway", "outbox wait", 0.03),
        _row("transcribe", "queue wait", 0.1),
        _row("transcribe", "process", 0.4),
        _row("events", "process", 0.1),
        _row("upload", "end to end", 0.7),
    ]
    assert timings.errors == {("asr", "audio_undecodable"): 1}
    assert (timings.whole, timings.incomplete, timings.missing) == (1, 0, 0)


def test_half_a_trace() -> None:
    """Without its last span a trace has no end to end; what is there is measured."""
    timings = Timings(asked=2)
    timings.add(Trace.from_otlp(document(gateway=[span("01", "", "POST /v1/uploads", 2, 0, 20)]), TRACE_ID))

    assert timings.rows() == [_row("gateway", "request", 0.02)]
    assert (timings.whole, timings.incomplete, timings.missing) == (0, 1, 1)


def test_cost() -> None:
    """What the traces say that their work cost is added up by currency, failed attempts beside."""
    priced = document(
        asr=[
            span("01", "", "a", 1, 0, 1, attributes={"speech.cost.amount": 2, "speech.cost.currency": "EUR"}),
            span(
                "02",
                "",
                "b",
                1,
                0,
                1,
                error=True,
                attributes={"speech.cost.amount": 1, "speech.cost.currency": "EUR"},
            ),
        ]
    )
    timings = Timings(asked=2)
    for _ in range(2):
        timings.add(Trace.from_otlp(priced, TRACE_ID))

    assert timings.cost == {"EUR": (6.0, 2.0)}


def test_collect(serve: Callable[..., str]) -> None:
    """The traces that a back end knows are read once they are whole; one that it does not know is missing."""
    url = serve({f"GET /api/v3/traces/{TRACE_ID}": (200, {"result": WHOLE})})
    backend = Backend(name="console", url=url)
    timings = collect([backend], [TRACE_ID, "f" * 32], seconds=0.0)

    assert (timings.asked, timings.whole, timings.missing, timings.silence) == (2, 1, 1, None)


def test_nobody_to_ask(dead_url: str) -> None:
    """Where no back end answers, that is said, after one try."""
    told: list[Any] = []
    backend = Backend(name="jaeger", url=dead_url)
    timings = collect([backend], [TRACE_ID], seconds=60.0, tell=lambda *counts: told.append(counts))

    assert timings.silence is not None
    assert dead_url in timings.silence
    assert (timings.missing, told) == (1, [(0, 1)])


def test_very_many_traces_are_sampled(dead_url: str) -> None:
    """Of more traces than are worth reading, every so-manieth is read."""
    ids = [f"{number:032x}" for number in range(2 * MOST_TRACES + 1)]

    assert collect([Backend(name="jaeger", url=dead_url)], ids, seconds=0.0).asked == 667
