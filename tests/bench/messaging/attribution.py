"""Whose code the CPU time of a load is spent in, as cProfile sees it."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from workload import rehearsed

if TYPE_CHECKING:
    from workload import Load

PARTS = ("voxtrace", "upstream", "api", "sdk", "pika", "other")
"""In the order in which they are printed."""


def attribution(url: str, load: Load) -> dict[str, float]:
    """
    The share of each module in the CPU time of publishing and consuming `load`, as `part/module`.

    What is written in C, and the standard library, counts for whoever called it. The shares are those of a
    program under the profiler, which makes calls dearer than they are.
    """
    profiler = cProfile.Profile(time.thread_time)
    rehearsed(url, load, profiler.runcall)
    found: Counter[str] = Counter()
    # Typeshed does not tell what pstats holds.
    stats: Any = pstats.Stats(profiler)
    for (path, _, _), (_, _, own, _, callers) in stats.stats.items():
        if _part(path) != "other":
            found[_name(path)] += own
            continue
        for (caller, _, _), (_, _, share, _) in callers.items():
            found[_name(caller)] += share
    total = sum(found.values())
    return {name: seconds / total for name, seconds in found.items()}


def _name(path: str) -> str:
    return f"{_part(path)}/{PurePath(path).stem}"


def _part(path: str) -> str:
    folders = PurePath(path).parts
    if "voxtrace" in folders:
        return "voxtrace"
    if "wrapt" in folders or ("opentelemetry" in folders and "instrumentation" in folders):
        return "upstream"
    if "opentelemetry" in folders:
        return "sdk" if "sdk" in folders else "api"
    return "pika" if "pika" in folders else "other"
