"""As many entries as fit, kept in memory; the one not used for longest makes room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Entries:
    """What a cache in memory holds: the part of a dict that dogpile.cache asks for."""

    def __init__(self, limit: int, on_evicted: Callable[[], None]) -> None:
        """
        Begin empty.

        Args:
            limit: How many entries there may be.
            on_evicted: Called after an entry has made room for another.
        """
        self._limit = limit
        self._on_evicted = on_evicted
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __setitem__(self, key: str, value: Any) -> None:
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            full = len(self._kept) > self._limit
            if full:
                self._kept.popitem(last=False)
        if full:
            self._on_evicted()

    def get(self, key: str, default: Any) -> Any:
        """The entry, which is the one used last from now on, or the default."""
        with self._lock:
            if key not in self._kept:
                return default
            self._kept.move_to_end(key)
            return self._kept[key]

    def pop(self, key: str, default: Any) -> Any:
        """Take the entry away, or give the default."""
        with self._lock:
            return self._kept.pop(key, default)
