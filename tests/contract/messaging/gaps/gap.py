"""
One row of the table of gaps.

Every row is run against the installed release, and must fail for the reason it gives. A row that no longer
does fails the test run: upstream has mended it, and the row goes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contract.messaging.bench import Bench

FIRST = "0.25b1"
"""The first release of all; its source was read, as that of 0.33b0, 0.44b0, 0.55b1 and 0.66b1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """
    One thing that upstream does not do.

    Attributes:
        gap: What a user sees.
        scenario: The test of ours that shows it.
        adapter: The way to use pika that it is shown on.
        since: The release that brought it, as far as sources were read.
        reason: What the failure must say, as a regular expression.
        error: What the failure must be.
    """

    gap: str
    scenario: Callable[[Bench], None]
    adapter: str
    since: str
    reason: str
    error: type[BaseException] = AssertionError


def scenario(found: Callable[..., Any]) -> Callable[..., Any]:
    """The test function itself, of which a row may give some arguments."""
    while isinstance(found, functools.partial):
        found = found.func
    return inspect.unwrap(found)
