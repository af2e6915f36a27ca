"""Which voices were used lately."""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import Observation

from voxtrace import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import CallbackOptions

#: For how long after its last use a voice counts as active, in seconds.
ACTIVE_SECONDS: Final = 300.0
#: As many voices are remembered.
MAX_VOICES: Final = 1000


class Voices:
    """Which voices were used lately."""

    def __init__(self) -> None:
        # Re-entrant: a signal handler may speak.
        self._lock = threading.RLock()
        self._used: dict[tuple[str, str], float] = {}

    def use(self, provider: str, voice: str) -> None:
        """Note that a voice is used now."""
        with self._lock:
            # Anew, so that the one not used for longest comes first.
            self._used.pop((provider, voice), None)
            self._used[provider, voice] = time.monotonic()
            if len(self._used) > MAX_VOICES:
                self._used.pop(next(iter(self._used)))

    def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Return the number of active voices by engine; 0 for one whose last fell silent."""
        now = time.monotonic()
        with self._lock:
            used = list(self._used.items())
        found: dict[str, int] = {}
        for (provider, _), at in used:
            found[provider] = found.get(provider, 0) + (now - at <= ACTIVE_SECONDS)
        return [
            Observation(number, {semconv.GEN_AI_PROVIDER_NAME: provider})
            for provider, number in found.items()
        ]


@functools.cache
def voices_of(scope: str) -> Voices:  # noqa: ARG001  # the key of the cache
    """
    Return the voices of an instrumentation, which are the same for as long as the process lives.

    A meter keeps the callback of an instrument's first creation and no later one.
    """
    return Voices()
