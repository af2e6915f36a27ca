"""Which destinations are traced, and which of their senders are believed."""

import fnmatch
import functools
import re
import threading
from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.trace import SpanContext

from voxtrace.messaging.configuration import Configuration
from voxtrace.messaging.propagation import Correlation

Matches = Callable[[str], bool]

DEFAULT_EXCHANGE: Final = "amq.default"
"""How globs call the exchange without a name."""

_MAX_NAMES: Final = 1024
_MAX_STRANGERS: Final = 10_000


class Selection:
    """
    What a configuration says of queues, exchanges and baggage, asked once per name.

    Attributes:
        excludes: Whether anything is excluded at all, so that who excludes nothing need not ask.
        baggage: Whether the baggage under a key may pass; None where all may.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._correlation: Correlation = configuration.correlation
        self._queues = matcher(configuration.excluded_queues)
        self._exchanges = matcher(configuration.excluded_exchanges)
        self._untrusted = matcher(configuration.untrusted_queues)
        self._strangers: dict[tuple[int, int], None] = {}
        self._lock = threading.RLock()
        self.excludes = bool(configuration.excluded_queues or configuration.excluded_exchanges)
        self.baggage = None if configuration.baggage_keys is None else matcher(configuration.baggage_keys)

    def correlation(self, queue: str) -> Correlation:
        """How the context of a message from `queue` is taken."""
        return "untrusted" if self._untrusted(queue) else self._correlation

    def note_stranger(self, creation: SpanContext | None) -> None:
        """Keeps in mind that a message with this creation context came from an untrusted queue."""
        if creation is not None:
            with self._lock:
                self._strangers[creation.trace_id, creation.span_id] = None
                if len(self._strangers) > _MAX_STRANGERS:
                    self._strangers.pop(next(iter(self._strangers)), None)

    def is_strangers(self, creation: SpanContext) -> bool:
        """True where a message with this creation context came from an untrusted queue, not long ago."""
        return bool(self._strangers) and (creation.trace_id, creation.span_id) in self._strangers

    def excludes_queue(self, queue: object) -> bool:
        """True where the messages of `queue` are not traced."""
        return self.excludes and isinstance(queue, str) and self._queues(queue)

    def excludes_exchange(self, exchange: object) -> bool:
        """True where what comes from `exchange` is not traced."""
        return self.excludes and isinstance(exchange, str) and self._exchanges(exchange or DEFAULT_EXCHANGE)

    def excludes_publish(self, exchange: object, routing_key: object) -> bool:
        """True where a publish is not traced; on the default exchange the routing key is the queue."""
        return self.excludes and (
            self.excludes_exchange(exchange) or (not exchange and self.excludes_queue(routing_key))
        )


def matcher(globs: Iterable[str]) -> Matches:
    """Whether a name matches one of `globs`; answers are remembered, for as many names as are likely."""
    # Joined, no glob at all would be the empty pattern, which matches every name's beginning.
    patterns = [fnmatch.translate(glob) for glob in globs]
    if not patterns:
        return _never
    match = re.compile("|".join(patterns)).match

    @functools.lru_cache(maxsize=_MAX_NAMES)
    def matches(name: str) -> bool:
        return match(name) is not None

    return matches


def _never(_name: str) -> bool:
    return False
