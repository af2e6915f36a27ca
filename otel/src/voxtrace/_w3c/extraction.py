"""What W3C headers say, whatever carries them: a message's headers, a stored row."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from voxtrace._w3c.baggage import Allowed
from voxtrace._w3c.baggage import read as read_baggage
from voxtrace._w3c.text import (
    BAGGAGE,
    MAX_HEADER_BYTES,
    TRACEPARENT,
    TRACESTATE,
    Refused,
    bounded_text,
    refuse,
)
from voxtrace._w3c.tracecontext import read_traceparent, read_tracestate


def extract(
    headers: Mapping[Any, Any],
    base: Context,
    *,
    spans: bool = True,
    baggage: bool = True,
    untrusted: bool = False,
    allowed: Allowed | None = None,
    refused: Refused | None = None,
    budget: int = MAX_HEADER_BYTES,
) -> tuple[Context, SpanContext | None]:
    """
    `base` with the baggage of the headers, and the span that they name.

    What is no text, too much together or not well formed is passed over. Of `untrusted` headers the
    traceparent alone is read. `budget` is how many bytes there may be together.
    """
    left, creation = budget, None
    traceparent = None
    if spans and TRACEPARENT in headers:
        traceparent = bounded_text(headers, TRACEPARENT, left, refused)
    if traceparent is not None:
        left -= len(traceparent)
        state = None
        tracestate = None
        if TRACESTATE in headers and not untrusted:
            tracestate = bounded_text(headers, TRACESTATE, left, refused)
        if tracestate is not None:
            left -= len(tracestate)
            state = read_tracestate(tracestate)
            if state is None:
                refuse(refused, TRACESTATE, "syntax")
        creation = read_traceparent(traceparent, state)
        if creation is None:
            refuse(refused, TRACEPARENT, "syntax")
    if baggage and BAGGAGE in headers and not untrusted:
        text = bounded_text(headers, BAGGAGE, left, refused)
        if text is not None:
            base, complete = read_baggage(text, base, allowed)
            if not complete:
                refuse(refused, BAGGAGE, "syntax")
    return base, creation
