"""What a running stack leaves on disk, so that another command can find, watch and end it."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

import psutil

from voxtrace_services.cli.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

State = Literal["starting", "ready", "stopping", "failed"]
_FILE = "up.json"
_LOCK = "up.lock"
# psutil reads a start time to a hundredth of a second.
_SAME_START = 0.5


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """One process of the stack; its start time tells it from a later one with the same pid."""

    name: str
    pid: int
    started: float
    port: int | None = None
    health: str | None = None

    @classmethod
    def of(cls, name: str, pid: int, *, port: int | None = None, health: str | None = None) -> ProcessRecord:
        """
        Record a process that runs now.

        Args:
            name: its name in the stack.
            pid: its process id.
            port: where it listens.
            health: the address that answers whether it is well.
        """
        return cls(name=name, pid=pid, started=_start_time(pid), port=port, health=health)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return abs(_start_time(self.pid) - self.started) < _SAME_START


@dataclass(frozen=True, kw_only=True)
class Record:
    """A stack, the process that holds it, and how far it is."""

    holder: ProcessRecord
    state: State
    full: bool = False
    steps: tuple[str, ...] = ()
    error: str | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[ProcessRecord, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether the process that holds the stack still runs."""
        return self.holder.alive

    @classmethod
    def read(cls, data_dir: Path) -> Record | None:
        """Return the record in a data directory; None when no stack has left one."""
        try:
            body = json.loads((data_dir / _FILE).read_text())
            return cls(
                **{
                    **body,
                    "holder": ProcessRecord(**body["holder"]),
                    "steps": tuple(body["steps"]),
                    "processes": tuple(ProcessRecord(**process) for process in body["processes"]),
                }
            )
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            # A file from another version says as little as none.
            return None

    def write(self, data_dir: Path) -> None:
        """Put the record on disk at once, never half of it."""
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f"{_FILE}.{os.getpid()}"
        draft.write_text(json.dumps(asdict(self), indent=1))
        draft.replace(data_dir / _FILE)

    @staticmethod
    def remove(data_dir: Path) -> None:
        """Forget the stack."""
        (data_dir / _FILE).unlink(missing_ok=True)


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """
    Hold a data directory: two stacks on the same data would ruin each other's.

    Raises:
        StackError: when another process holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StackError(
                f"Another voxtrace command is running a stack on {data_dir}. "
                "See it with: voxtrace status; end it with: voxtrace down"
            ) from error
        yield


def _start_time(pid: int) -> float:
    """Return when a process started, as seconds since the epoch; 0 when it does not run."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return 0.0
        return process.create_time()
    except psutil.Error:
        return 0.0
