"""What the process takes of its machine, as far as the platform tells."""

import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]  # the module or nothing

__all__ = ["Resources"]

#: A share of CPU over less time than this says nothing.
_WINDOW_SECONDS: Final = 0.5
_STATM: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = (Path("/proc/self/fd"), Path("/dev/fd"))


class Resources:
    """The process's CPU, memory and open files, and the space left where it keeps its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._spent = time.process_time()
        self._percent = 0.0

    def read(self) -> dict[str, Any]:
        """Return what can be told; what cannot is left out."""
        found: dict[str, Any] = {"cpu_percent": self._cpu()}
        readings: dict[str, Callable[[], int]] = {
            "memory_rss_bytes": _resident,
            "memory_peak_bytes": _peak,
            "open_files": _open_files,
        }
        for name, reading in readings.items():
            with suppress(OSError, ValueError, IndexError, AttributeError):
                found[name] = reading()
        with suppress(OSError):
            usage = shutil.disk_usage(self._folder)
            found |= {"disk_free_bytes": usage.free, "disk_total_bytes": usage.total}
        return found

    def _cpu(self) -> float:
        """Percent of one core since it was last asked, or since the start."""
        with self._lock:
            now, spent = time.monotonic(), time.process_time()
            if now - self._since >= _WINDOW_SECONDS:
                self._percent = round(100 * (spent - self._spent) / (now - self._since), 1)
                self._since, self._spent = now, spent
            return self._percent


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    # Without the module this is an AttributeError, and the peak is not told.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _open_files() -> int:
    folder = next((one for one in _DESCRIPTORS if one.is_dir()), _DESCRIPTORS[0])
    # One of them is the listing's own.
    return len(os.listdir(folder)) - 1  # noqa: PTH208  iterdir lists the same and makes a Path of each
