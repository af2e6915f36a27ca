"""What engines have in common: how they fail, and how those that are programs are run."""

from __future__ import annotations

import os
import subprocess

_TIMEOUT_SECONDS = 300.0


class EngineError(Exception):
    """The engine cannot be loaded, or failed and may do better next time; quotes nothing it was given."""


def run(command: list[str], *, text: str, install: str) -> str:
    """
    Run a program on `text` and give what it writes.

    Args:
        command: The program and its arguments.
        text: What it reads.
        install: How to get it, for the error if it is not there.

    Raises:
        EngineError: It is not installed, hangs, or fails.
    """
    program = command[0]
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=_TIMEOUT_SECONDS,
            # Under the C locale Apertium breaks every letter beyond ASCII.
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError as error:
        raise EngineError(f"no {program}: {install}") from error
    except subprocess.TimeoutExpired:
        # Not `from error`: it holds the text.
        raise EngineError(f"{program} took more than {_TIMEOUT_SECONDS:g} s") from None
    if done.returncode != 0:
        raise EngineError(f"{program} ended with status {done.returncode}")
    return done.stdout
