"""How tests of engines read what was emitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry


def tree(telemetry: CapturedTelemetry) -> list[str]:
    """Return the spans as lines, indented by depth, in the order they started."""
    depth: dict[int, int] = {}
    lines = []
    for span in telemetry.spans():
        depth[span["span"]] = depth.get(span.get("parent", 0), -1) + 1
        lines.append("  " * depth[span["span"]] + span["name"])
    return lines


def only(telemetry: CapturedTelemetry, name: str) -> dict[str, Any]:
    """Return the attributes of the one span with the name."""
    (span,) = [span for span in telemetry.spans() if span["name"] == name]
    attributes: dict[str, Any] = span.get("attributes", {})
    return attributes


def without_times(attributes: dict[str, Any]) -> dict[str, Any]:
    """Leave out what depends on the machine's speed."""
    return {
        key: value
        for key, value in attributes.items()
        if not key.endswith((".duration", "real_time_factor")) or key.startswith("speech.audio")
    }
