"""How tests read what was judged: verdicts on a span, and flags that were counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry


def root(telemetry: CapturedTelemetry, operation: str = "speech_to_text") -> dict[str, Any]:
    """Return the span of the one operation."""
    (span,) = [span for span in telemetry.spans() if span["name"].startswith(operation)]
    return span


def labels(span: dict[str, Any]) -> dict[str, str]:
    """Return the span's verdicts: name and label."""
    return {
        event["gen_ai.evaluation.name"]: event["gen_ai.evaluation.score.label"]
        for event in span.get("events", [])
    }


def flags(span: dict[str, Any]) -> list[str]:
    """Return what the span is flagged with."""
    return list(span["attributes"].get("speech.quality.flags", []))


def counted(telemetry: CapturedTelemetry) -> dict[str, int]:
    """Return how often each flag was counted."""
    points = telemetry.metrics().get("speech.quality.flags", [])
    return {point["attributes"]["speech.quality.flag.name"]: point["value"] for point in points}
