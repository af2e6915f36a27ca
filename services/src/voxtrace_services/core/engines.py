"""What engines have in common: how they fail, and how those that are programs are run, and end with us."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TIMEOUT_SECONDS = 300.0
#: A killed program is gone at once, unless the kernel holds it.
_END_SECONDS = 2.0


class EngineError(Exception):
    """The engine cannot be loaded, or failed and may do better next time; quotes nothing it was given."""


_blow: ContextVar[Callable[[], None] | None] = ContextVar("fault", default=None)


def strike() -> None:
    """Be slow or fail, if a drill is on; called by engines in the midst of their work (core.faults)."""
    if (blow := _blow.get()) is not None:
        blow()


@contextmanager
def aimed(blow: Callable[[], None]) -> Iterator[None]:
    """Have `strike` do this, in the block and in this thread."""
    token = _blow.set(blow)
    try:
        yield
    finally:
        _blow.reset(token)


class Programs:
    """Runs programs, and sees to it that none of them outlives the service."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def run(self, command: list[str], *, text: str, install: str) -> str:
        """
        Run a program on `text` and give what it writes.

        Args:
            command: The program and its arguments.
            text: What it reads.
            install: How to get it, for the error if it is not there.

        Raises:
            EngineError: It is not installed, hangs, fails, or the service ends.
        """
        program = command[0]
        with self._started(command, install) as process:
            try:
                strike()
            except EngineError:
                _kill(process)  # the program fails then, as it might by itself
            try:
                output, _ = process.communicate(text, _TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                # Not `from error`: it holds the text.
                raise EngineError(f"{program} took more than {_TIMEOUT_SECONDS:g} s") from None
        if self._ended:
            # Of a pipeline cut short the last program may end well, with half the text.
            raise EngineError(f"{program} was ended with the service")
        if process.returncode != 0:
            raise EngineError(f"{program} ended with status {process.returncode}")
        return output

    def end(self) -> None:
        """End every program that runs, and start no other: the work of the last was given back."""
        with self._changed:
            self._ended = True
            for process in self._running:
                _kill(process)
            self._changed.wait_for(lambda: not self._running, _END_SECONDS)

    @contextmanager
    def _started(self, command: list[str], install: str) -> Iterator[subprocess.Popen[str]]:
        with self._changed:
            if self._ended:
                raise EngineError(f"{command[0]} is not started: the service ends")
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    encoding="utf-8",
                    # Under the C locale Apertium breaks every letter beyond ASCII.
                    env={**os.environ, "LC_ALL": "C.UTF-8"},
                    # A group of its own, because a program may be a pipeline; and Ctrl-C is ours to act on.
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise EngineError(f"no {command[0]}: {install}") from error
            self._running.add(process)
        try:
            with process:
                try:
                    yield process
                finally:
                    _kill(process)
        finally:
            with self._changed:
                self._running.discard(process)
                self._changed.notify_all()


def _kill(process: subprocess.Popen[str]) -> None:
    # Only until it is waited for is the id of its group its own.
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


_programs = Programs()
run = _programs.run
end = _programs.end
