"""Where the command draws: a terminal at its width, a pipe without colours and with room for the names."""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from typing import Any

from rich.console import Console

# A pipe has no width; this one shows every name and still fits a wide terminal.
_PIPE_WIDTH = 120


@cache
def screen() -> Console:
    """Return the console of standard output."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_PIPE_WIDTH if piped else None, highlight=False)


@cache
def error_screen() -> Console:
    """Return the console of standard error: progress and what is not a result."""
    return Console(stderr=True, highlight=False)


def print_json(body: Any) -> None:
    """Print a result for programs."""
    print(json.dumps(body, indent=2, ensure_ascii=False), flush=True)
