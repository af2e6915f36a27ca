"""Tests of `voxtrace.testing`, run as a user of the plugin would run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

pytest_plugins = ["pytester"]


def test_spans_are_literals(telemetry: CapturedTelemetry) -> None:
    """Ids count from 1, the clock ticks once a second, and what says nothing is left out."""
    tracer = telemetry.tracer("test")
    with tracer.start_as_current_span("parent", kind=SpanKind.SERVER, attributes={"b": 1, "a": (1, 2)}):
        child = tracer.start_span("child", links=[Link(SpanContext(7, 8, is_remote=True), {"why": "test"})])
        child.add_event("retry", {"attempt": 2})
        child.set_status(Status(StatusCode.ERROR, "gave up"))
        child.end(end_time=2_500_000_000)
    assert telemetry.spans() == [
        {
            "name": "parent",
            "trace": 1,
            "span": 1,
            "kind": "SERVER",
            "start": 1,
            "end": 4,
            "attributes": {"a": [1, 2], "b": 1},
        },
        {
            "name": "child",
            "trace": 1,
            "span": 2,
            "parent": 1,
            "start": 2,
            "end": 2.5,
            "links": [{"trace": 7, "span": 8, "why": "test"}],
            "events": [{"name": "retry", "attempt": 2}],
            "status": "ERROR",
            "description": "gave up",
        },
    ]


def test_metrics_are_literals(telemetry: CapturedTelemetry) -> None:
    """Sums come with their value, histograms with count and sum."""
    telemetry.meter("test").create_counter("jobs").add(2, {"kind": "asr"})
    telemetry.meter("test").create_histogram("seconds").record(1.5)
    assert telemetry.metrics() == {
        "jobs": [{"attributes": {"kind": "asr"}, "value": 2}],
        "seconds": [{"attributes": {}, "count": 1, "sum": 1.5}],
    }


def test_the_global_providers_stay_unset(telemetry: CapturedTelemetry) -> None:
    """The fixture's providers are passed on by hand."""
    assert trace.get_tracer_provider() is not telemetry.tracer_provider


def test_clear_forgets(telemetry: CapturedTelemetry) -> None:
    """After clear there are no spans, and ids go on."""
    telemetry.tracer("test").start_span("first").end()
    telemetry.clear()
    telemetry.tracer("test").start_span("second").end()
    assert telemetry.spans() == [{"name": "second", "trace": 2, "span": 2, "start": 3, "end": 4}]


def test_a_span_left_open_fails_the_test(pytester: pytest.Pytester) -> None:
    """The plugin names the spans that a test left open."""
    pytester.makepyfile(
        """
        def test_open(telemetry):
            telemetry.tracer("test").start_span("forgotten")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*The test left spans open: forgotten.*"])
