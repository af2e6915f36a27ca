"""Polling with a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(condition: Callable[[], None], *, seconds: float = 60) -> None:
    """Wait until a condition no longer raises AssertionError; its last failure is the test's."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            condition()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
