"""Durations as a reader wants them: three digits and the unit that fits."""

from __future__ import annotations

_MINUTE = 60.0


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
