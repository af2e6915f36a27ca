"""Tests of `voxtrace.context`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context

from voxtrace import context

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry


def test_outside_a_trace_there_is_nothing_to_capture() -> None:
    """Outside a trace the carrier is empty and there is no trace id."""
    assert context.capture() == {}
    assert context.trace_id() is None


def test_capture_writes_w3c_headers(telemetry: CapturedTelemetry) -> None:
    """Inside a span the carrier holds its W3C headers."""
    with telemetry.tracer("test").start_as_current_span("request"):
        assert context.capture() == {
            "traceparent": "00-00000000000000000000000000000001-0000000000000001-01",
        }
        assert context.trace_id() == "00000000000000000000000000000001"


def test_attached_continues_the_captured_trace(telemetry: CapturedTelemetry) -> None:
    """A span started under a stored carrier is a child of the captured one, as of a remote parent."""
    tracer = telemetry.tracer("test")
    with tracer.start_as_current_span("request"):
        carrier = context.capture()
    with context.attached(carrier), tracer.start_as_current_span("publish"):
        pass
    assert telemetry.spans()[1] == {
        "name": "publish",
        "trace": 1,
        "span": 2,
        "parent": 1,
        "remote": True,
        "start": 3,
        "end": 4,
    }


def test_baggage_travels_along(telemetry: CapturedTelemetry) -> None:
    """Baggage set before a capture is there again under the carrier."""
    token = otel_context.attach(baggage.set_baggage("tenant", "blue"))
    with telemetry.tracer("test").start_as_current_span("request"):
        carrier = context.capture()
    otel_context.detach(token)
    with context.attached(carrier):
        assert baggage.get_baggage("tenant") == "blue"
    assert baggage.get_baggage("tenant") is None


def test_no_text_of_a_stored_row_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What is wrong with a carrier is passed over, and the rest of it used."""
    carrier = {
        "traceparent": f"00-{1:032x}-{2:016x}-01",
        "tracestate": "SPAM",
        "baggage": "SPAM,tenant=blue",
    }
    with context.attached(carrier):
        assert context.trace_id() == f"{1:032x}"
        assert baggage.get_all() == {"tenant": "blue"}
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["traceparent", "baggage"])
def test_the_time_to_read_a_carrier_grows_with_its_length(name: str) -> None:
    """A run of blanks, where the API's propagators take quadratic time, is read in one pass."""

    def duration(length: int) -> float:
        carrier = {name: f"00-{1:032x}-{2:016x}-01-" + " " * length + "\n\nx"}
        started = time.process_time_ns()
        for _ in range(20):
            with context.attached(carrier):
                pass
        return time.process_time_ns() - started

    # The least of a few: another process may take the time of one.
    short, long = (min(duration(length) for _ in range(5)) for length in (500, 8000))
    assert long < 64 * short, "sixteen times the blanks, and as much time squared"


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"traceparent": "garbage"},
        {"traceparent": 7},
        {"traceparent": None, "tracestate": b"x"},
        {1: "x", "baggage": ["a"]},
        None,
        "traceparent",
    ],
)
def test_a_bad_carrier_changes_nothing(telemetry: CapturedTelemetry, carrier: object) -> None:
    """A carrier without a readable trace never raises and leaves the current span current."""
    tracer = telemetry.tracer("test")
    with tracer.start_as_current_span("relay") as span, context.attached(cast("dict[str, str]", carrier)):
        assert trace.get_current_span() is span


def test_the_users_exception_leaves_unmodified_and_the_context_is_restored(
    telemetry: CapturedTelemetry,
) -> None:
    """An exception in the block comes out as it is, and the context before it is back."""
    error = LookupError("mine")
    with telemetry.tracer("test").start_as_current_span("request"):
        carrier = context.capture()
    with pytest.raises(LookupError) as caught, context.attached(carrier):
        raise error
    assert caught.value is error
    assert context.trace_id() is None
