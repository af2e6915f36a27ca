"""A bound on how many series a metric may have, whatever comes from outside."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from voxtrace import semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    Attributes = Mapping[str, AttributeValue]
    #: Takes a value, its attributes and the context of its exemplar, as an instrument does.
    Record = Callable[[float, Attributes, Context], None]

#: What stands for every further value.
OTHER: Final = "_OTHER"
#: How many sets of attributes one metric tells apart.
LIMIT: Final = 150

#: What callers, uploads and environments name, so that no code bounds it.
_OUTSIDE: Final = frozenset(
    {
        semconv.GEN_AI_REQUEST_MODEL,
        semconv.GEN_AI_PROVIDER_NAME,
        semconv.SPEECH_ASR_LANGUAGE,
        semconv.SPEECH_LANGUAGE_REQUESTED,
        semconv.SPEECH_TRANSLATION_SOURCE_LANGUAGE,
        semconv.SPEECH_TRANSLATION_TARGET_LANGUAGE,
        semconv.SPEECH_TTS_LANGUAGE,
        semconv.SPEECH_TTS_VOICE,
        semconv.SPEECH_AUDIO_CONTAINER,
        semconv.SPEECH_COMPONENT_NAME,
        semconv.ERROR_TYPE,
    }
)


class Series:
    """The sets of attributes of one metric: the first are kept, what is new after them is told as others."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._known: set[tuple[tuple[str, AttributeValue], ...]] = set()
        # Re-entrant: a span may end in a destructor that runs inside these lines.
        self._lock = threading.RLock()

    def bounded(self, attributes: Attributes) -> Attributes:
        """The attributes, or where there are too many sets of them, with the outside's words left out."""
        key = tuple(attributes.items())
        if key in self._known:
            return attributes
        with self._lock:
            if len(self._known) < self._limit:
                self._known.add(key)
                return attributes
        return {name: OTHER if name in _OUTSIDE else value for name, value in attributes.items()}


def bounded(record: Callable[..., None], limit: int = LIMIT) -> Record:
    """The `record` or `add` of an instrument, for as many sets of attributes as `limit` says."""
    series = Series(limit)

    def bounded_record(value: float, attributes: Attributes, context: Context) -> None:
        record(value, series.bounded(attributes), context)

    return bounded_record
