"""Durations for readers."""

from __future__ import annotations

import pytest

from voxtrace_services.cli.duration import readable, seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 ms"),
        (0.00042, "0.4 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.412, "412 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (3.214, "3.21 s"),
        (9.999, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (125, "2 min 05 s"),
        (-0.005, "-5.0 ms"),
    ],
)
def test_readable(seconds: float, text: str) -> None:
    """A duration keeps about three digits, and never rounds up into a unit it should have left."""
    assert readable(seconds) == text


@pytest.mark.parametrize(
    ("text", "expected"), [("10s", 10), ("500ms", 0.5), ("1m", 60), ("2 min", 120), ("7", 7), (" 1.5s ", 1.5)]
)
def test_seconds(text: str, expected: float) -> None:
    """A duration can be written with a unit, or as a number of seconds."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1s", "1h", "ten", "1s2"])
def test_no_duration(text: str) -> None:
    """What is no duration is an error that shows how to write one."""
    with pytest.raises(ValueError, match="give one such as 10s"):
        seconds(text)
