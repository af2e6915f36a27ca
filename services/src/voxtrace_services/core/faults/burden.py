"""Faults that weigh on the process as a whole: memory that grows, processors that are busy."""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
import threading
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voxtrace_services.core.faults.catalogue import Fault, Name

_MEGABYTE = 1024 * 1024
_SHARED_MEGABYTES = 64
#: Linux touches the pages by itself, and lets other threads run meanwhile.
_AT_ONCE: int = getattr(mmap, "MAP_POPULATE", 0)
#: Long enough to let go of the interpreter's lock for most of the time, short enough to end soon.
_ROUNDS = 50_000
_THREADS = 4


class Burdens:
    """What the process bears; it bears nothing at first."""

    def __init__(self) -> None:
        self._leak = Leak()
        self._spin: Spin | None = None

    def bear(self, faults: Mapping[Name, Fault]) -> None:
        """Grow, begin and end as the faults say; called about once a second."""
        leak = faults.get("memory-leak")
        if leak is None:
            self._leak.end()
        else:
            self._leak.grow(leak.megabytes, limit=leak.limit_megabytes)
        if "busy-cpu" not in faults:
            if self._spin is not None:
                self._spin.end()
            self._spin = None
        elif self._spin is None:
            self._spin = Spin()


class Leak:
    """
    Resident memory that grows without harm: the same few megabytes, mapped and touched again and again.

    The kernel counts each mapping to the process, so its resident set is as large as is said,
    and so is what the process reports. The machine gives those few megabytes once.
    """

    def __init__(self) -> None:
        self._mappings: list[mmap.mmap] = []
        self._megabytes = 0

    def grow(self, megabytes: int, *, limit: int) -> None:
        """Map so much more, up to the limit."""
        more = min(megabytes, limit - self._megabytes)
        if more <= 0:
            return
        size = min(more, _SHARED_MEGABYTES)
        with tempfile.TemporaryFile() as file:
            file.truncate(size * _MEGABYTE)
            for begin in range(0, more, size):
                self._map(file.fileno(), min(size, more - begin))

    def end(self) -> None:
        """Give everything back."""
        while self._mappings:
            self._mappings.pop().close()
        self._megabytes = 0

    def _map(self, descriptor: int, megabytes: int) -> None:
        mapping = mmap.mmap(descriptor, megabytes * _MEGABYTE, flags=mmap.MAP_SHARED | _AT_ONCE)
        if not _AT_ONCE:
            for page in range(0, megabytes * _MEGABYTE, mmap.PAGESIZE):
                mapping[page] = 1
        self._mappings.append(mapping)
        self._megabytes += megabytes


class Spin:
    """Threads at work on nothing, more than processors: a share for each, where others work too."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="busy-cpu", daemon=True)
            for _ in range(_THREADS * _processors())
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            hashlib.pbkdf2_hmac("sha256", b"busy", b"busy", _ROUNDS)


def _processors() -> int:
    try:
        return len(psutil.Process().cpu_affinity() or ())
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1
