"""
The memory that instrumenting adds to a process: `memory.py resident|allocated RECORDING`.

As a program it transcribes, instruments, transcribes again, and prints the bytes that came to it by that:
of all that the system gave to the process, or of all that Python allocated.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import psutil
from workload import instrument, load, transcribe


@dataclass(frozen=True, kw_only=True)
class Memory:
    """
    What instrumenting adds, in MiB, the SDK included.

    Attributes:
        resident: by the system's account, for which chance plays a part.
        allocated: by Python's.
    """

    resident: float
    allocated: float


def cost(recording: Path) -> Memory:
    """Ask a fresh process for each."""
    return Memory(resident=_ask("resident", recording), allocated=_ask("allocated", recording))


def _ask(account: str, recording: Path) -> float:
    command = [sys.executable, __file__, account, recording]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) / 2**20


def _added(account: str, recording: Path) -> int:
    model = load()
    for _ in range(2):  # what the engine keeps for itself
        transcribe(model, recording)
    gc.collect()
    if account == "allocated":
        tracemalloc.start()
    before = _taken(account)
    instrument()
    transcribe(model, recording)
    gc.collect()
    return _taken(account) - before


def _taken(account: str) -> int:
    return (
        tracemalloc.get_traced_memory()[0] if account == "allocated" else psutil.Process().memory_info().rss
    )


if __name__ == "__main__":
    sys.stdout.write(f"{_added(sys.argv[1], Path(sys.argv[2]))}\n")
