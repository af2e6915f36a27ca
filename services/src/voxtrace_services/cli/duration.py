"""Durations as a reader wants them: three digits and the unit that fits."""

from __future__ import annotations

import re

_MINUTE = 60.0
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m)?")
_UNITS = {"ms": 0.001, "s": 1.0, "min": _MINUTE, "m": _MINUTE}


def seconds(text: str) -> float:
    """
    Read a duration: `10s`, `500ms`, `1m`, or a number of seconds.

    Raises:
        ValueError: it is none.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration; give one such as 10s, 500ms or 1m")
    return float(match[1]) * _UNITS[match[2] or "s"]


def readable(seconds: float) -> str:
    """Return a duration with about three significant digits, e.g. `412 ms`, `3.21 s`, `2 min 05 s`."""
    if seconds < 0:
        return f"-{readable(-seconds)}"
    milliseconds = seconds * 1000
    if milliseconds < 9.95:  # noqa: PLR2004 - below this, one decimal is a digit worth showing
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:  # noqa: PLR2004 - what would round to 1000 ms is a second
        return f"{milliseconds:.0f} ms"
    if seconds < 9.995:  # noqa: PLR2004 - as above
        return f"{seconds:.2f} s"
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes:.0f} min {rest:02.0f} s" if rest else f"{minutes:.0f} min"
