"""Which formats the application propagates context in, and whether they are those written here."""

from typing import Final, NamedTuple

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


class W3C(NamedTuple):
    """Which of the W3C formats are propagated, and nothing beside them."""

    spans: bool
    baggage: bool


_OURS: Final = (TraceContextTextMapPropagator, W3CBaggagePropagator)
# The last one asked about, of which there is hardly ever more than one; replaced as a whole, for the threads.
_last: tuple[TextMapPropagator | None, W3C | None] = (None, None)


def w3c(textmap: TextMapPropagator) -> W3C | None:
    """What `textmap` propagates, if it does so in W3C formats alone; None where it must be asked itself."""
    global _last  # noqa: PLW0603 - a cache of one
    known, answer = _last
    if known is not textmap:
        answer = _examine(textmap)
        _last = textmap, answer
    return answer


def _examine(textmap: TextMapPropagator) -> W3C | None:
    parts: list[object] = [textmap]
    # The very classes: one that inherits from them does something else.
    if type(textmap) is CompositePropagator:
        parts = list(textmap._propagators)  # noqa: SLF001 - there is no other way to see what is in it
    kinds = [type(part) for part in parts]
    if not all(kind in _OURS for kind in kinds):
        return None
    return W3C(TraceContextTextMapPropagator in kinds, W3CBaggagePropagator in kinds)
