"""
What the process may use: the limits of its control groups, else what the machine has.

A process in a container sees the whole machine's memory and processors, so that
its own use is a small share of both until it is killed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

__all__ = ["Limits"]

_GROUPS: Final = Path("/proc/self/cgroup")
_MOUNT: Final = Path("/sys/fs/cgroup")


class Limits:
    """The limits, read anew at each question: a container's may be changed while it runs."""

    def __init__(self, groups: Path = _GROUPS, mount: Path = _MOUNT) -> None:
        """
        Know where to look.

        Args:
            groups: The kernel's list of the process's groups.
            mount: Where the groups' own files are.
        """
        self._groups = groups
        self._mount = mount

    def memory(self) -> int:
        """Bytes of memory."""
        found = [psutil.virtual_memory().total]
        for folder in self._folders("memory"):
            for name in ("memory.max", "memory.limit_in_bytes"):  # of version 2 and 1
                found += [int(word) for word in _words(folder / name) if word.isdecimal()]
        return min(found)

    def cpus(self) -> float:
        """Processors, in parts where a share of one is allowed."""
        found = [float(_runnable())]
        for folder in self._folders("cpu"):
            words = _words(folder / "cpu.max") or [
                *_words(folder / "cpu.cfs_quota_us"),
                *_words(folder / "cpu.cfs_period_us"),
            ]
            # Without a limit the quota is `max`, or -1.
            if len(words) == 2 and all(word.isdecimal() for word in words):  # noqa: PLR2004  quota and period
                quota, period = map(int, words)
                found += [quota / period] if period else []
        return min(found)

    def _folders(self, controller: str) -> Iterator[Path]:
        """The group of the process and those around it; any of them may have the limit."""
        for line in _lines(self._groups):
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if controllers and controller not in controllers.split(","):
                continue
            top = self._mount / controller if controllers else self._mount
            own = top / path.lstrip("/")
            # Inside a container the path may be the host's, and lead nowhere: the top is the container's.
            yield from [own, *(one for one in own.parents if one.is_relative_to(top))]


def _runnable() -> int:
    try:
        # Not on macOS, where a process may run everywhere.
        return len(psutil.Process().cpu_affinity())
    except AttributeError:
        return psutil.cpu_count() or 1


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
