"""
One child process: started, awaited, stopped by its pid.

An own supervisor rather than mirakuru: a failed start must quote the child's
log, a child must not outlive a killed parent, and signals go to one pid, never
to whatever matches a name.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voxtrace_services.native.errors import MissingPartError, StartError
from voxtrace_services.native.ports import require_free

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_POLL_SECONDS = 0.05
_TAIL_LINES = 25


@dataclass(frozen=True, kw_only=True)
class Command:
    """
    How to run one process and to tell that it works.

    Attributes:
        ready: raises until the process can be used.
        ports: what it will listen on, by their names in `Ports`.
        environment: added to ours.
        without: prefixes of the variables that the process must not inherit.
        start_seconds: how long it may take to become ready.
        grace_seconds: how long it may take to end after SIGTERM.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], None]
    ports: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    start_seconds: float = 60
    grace_seconds: float = 20


class Process:
    """
    A running (or stopped) command, with its log in one file.

    Linux kills a child when the thread that started it ends, so start from a
    thread that lives as long as the child should.
    """

    def __init__(self, command: Command, *, log: Path) -> None:
        self.command = command
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The name given in the command."""
        return self.command.name

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid if self._child is not None and self.running else None

    @property
    def running(self) -> bool:
        """True from start until the process has ended."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """
        Start the process and wait until it is ready.

        Raises:
            PortTakenError: when a port is in use.
            StartError: when it ends or is not ready in time; it is then stopped.
        """
        if self.running:
            return
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Start the process without waiting."""
        require_free(self.name, self.command.ports.items())
        inherited = {name: value for name, value in os.environ.items() if not self._withheld(name)}
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.log.open("ab") as output:
                self._child = subprocess.Popen(
                    [*_die_with_parent(), *self.command.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**inherited, **self.command.environment},
                    # Ctrl-C reaches us alone: children are stopped in order.
                    start_new_session=True,
                )
        except FileNotFoundError as error:
            raise MissingPartError(f"{self.name}: {self.command.argv[0]} is not installed.") from error

    def wait_ready(self) -> None:
        """
        Wait until the process is ready.

        Raises:
            StartError: when it ends or is not ready in time; it is then stopped.
        """
        deadline = time.monotonic() + self.command.start_seconds
        while True:
            if not self.running:
                raise StartError(f"{self.name} ended while it started. {self._evidence()}")
            try:
                self.command.ready()
            except Exception as error:
                if time.monotonic() > deadline:
                    self.stop()
                    raise StartError(
                        f"{self.name} was not ready after {self.command.start_seconds:.0f} s ({error}). "
                        f"{self._evidence()}"
                    ) from error
            else:
                return
            time.sleep(_POLL_SECONDS)

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Send a signal to this process; with SIGKILL, wait until it is gone."""
        if self._child is None or not self.running:
            return
        self._child.send_signal(signal_number)
        if signal_number == signal.SIGKILL:
            self._child.wait()

    def stop(self) -> None:
        """End the process: SIGTERM, then SIGKILL once its grace is over."""
        if self._child is None or not self.running:
            return
        self._child.terminate()
        try:
            self._child.wait(self.command.grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        except KeyboardInterrupt:
            # A second Ctrl-C: no more patience, but nothing stays behind either.
            self.kill()
            raise

    def _withheld(self, name: str) -> bool:
        return any(name.startswith(prefix) for prefix in self.command.without)

    def _evidence(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join([f"The end of {self.log}:", *lines])


def _die_with_parent() -> list[str]:
    """
    Prefix under which a child gets SIGKILL when we die without stopping it.

    A program rather than `preexec_fn`, which may deadlock in a process with
    threads. Where it is absent (macOS), a killed supervisor leaves its children.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
