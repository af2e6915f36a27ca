"""Tests of `voxtrace.profile`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from voxtrace.profile import Subject

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry


def test_a_span_is_linked_from_another_thread(telemetry: CapturedTelemetry) -> None:
    """Whoever holds the subject can say on its span where the profile is, from any thread."""
    with telemetry.tracer("test").start_as_current_span("process"):
        subject = Subject.current()
        assert subject.trace_id == "00000000000000000000000000000001"
        thread = threading.Thread(target=subject.link, args=("/v1/profiles/1",))
        thread.start()
        thread.join()
    (span,) = telemetry.spans()
    assert span["attributes"] == {"voxtrace.profile.path": "/v1/profiles/1"}


def test_an_ended_span_is_left_alone(telemetry: CapturedTelemetry) -> None:
    """Work may end before its profile does: its span is not touched, and nothing is logged."""
    with telemetry.tracer("test").start_as_current_span("process"):
        subject = Subject.current()
    subject.link("/v1/profiles/1")
    assert "attributes" not in telemetry.spans()[0]


def test_without_a_trace_there_is_nothing_to_link() -> None:
    """Outside a trace a subject has no id, and linking does nothing."""
    subject = Subject.current()
    subject.link("/v1/profiles/1")
    assert subject.trace_id is None
