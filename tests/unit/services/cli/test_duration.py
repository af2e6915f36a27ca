"""Durations for readers."""

from __future__ import annotations

import pytest

from voxtrace_services.cli.duration import readable


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
