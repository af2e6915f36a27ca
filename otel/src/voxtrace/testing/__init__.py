"""
A pytest plugin that makes telemetry comparable: fixed ids, a fixed clock, spans as literals.

It comes with the package and needs no set-up; ask for the fixture `telemetry`::

    def test_upload_is_traced(telemetry):
        with telemetry.tracer("shop").start_as_current_span("upload"):
            ...
        assert telemetry.spans() == [
            {"name": "upload", "trace": 1, "span": 1, "start": 1, "end": 2},
        ]

The providers are the test's own, passed on by hand; the global ones are never
set. A test that leaves a span open fails.
"""

from voxtrace.testing.broker import InMemoryBroker, in_memory_broker
from voxtrace.testing.captured import CapturedTelemetry, telemetry

__all__ = ["CapturedTelemetry", "InMemoryBroker", "in_memory_broker", "telemetry"]
