"""How long the console keeps what it received: by age, and by size on disk."""

import logging
from collections.abc import Callable

from voxtrace_services.console.store import Store

_log = logging.getLogger(__name__)

_NS = 10**9
#: Size is brought this far below the bound, so that not every run has to delete.
_TARGET = 0.9
#: Rows differ in size, so one cut may not do; a bound keeps a run short.
_MAX_ROUNDS = 5


class Retention:
    """
    Deletes what is too old or too much, oldest first.

    Age counts from when a thing was received, by our own clock: senders' clocks are not
    to be trusted with deletion. A trace goes as a whole, an age after its last span came.
    The bound on size is firm, so there a trace may be cut.
    """

    def __init__(self, store: Store, *, hours: float, max_bytes: int, clock: Callable[[], int]) -> None:
        self._store = store
        self._age_ns = int(hours * 3600 * _NS)
        self._max_bytes = max_bytes
        self._clock = clock

    def run(self) -> int:
        """Delete what is due and return how many rows went."""
        deleted = self._store.delete_before(max(self._clock() - self._age_ns, 0), whole_traces=True)
        if deleted:
            self._store.reclaim()
        if self._store.used_bytes() > self._max_bytes:
            deleted += self._shrink()
        if deleted:
            _log.info("retention deleted %d rows", deleted)
        return deleted

    def _shrink(self) -> int:
        deleted = 0
        # Space of earlier deletions may still be waiting to be given back: do not delete for it twice.
        self._store.reclaim()
        for _ in range(_MAX_ROUNDS):
            used = self._store.used_bytes()
            if used <= self._max_bytes:
                return deleted
            cutoff = self._store.oldest_share(1 - _TARGET * self._max_bytes / used)
            if cutoff is None:
                return deleted
            deleted += self._store.delete_before(cutoff + 1, whole_traces=False)
            self._store.reclaim()
        _log.warning("retention could not bring the database below %d bytes", self._max_bytes)
        return deleted
