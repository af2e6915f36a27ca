"""Percentiles of a handful of measurements."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Those that are reported.
PERCENTS = (50, 95, 99)


def percentiles(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Return the 50th, 95th and 99th percentile, interpolated; nothing where nothing was measured."""
    if len(values) <= 1:
        return (values[0], values[0], values[0]) if values else (None, None, None)
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    p50, p95, p99 = (cuts[percent - 1] for percent in PERCENTS)
    return p50, p95, p99
