"""The trace context of a message, into its headers."""

import time
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from voxtrace._guard import guarded, report
from voxtrace._w3c.baggage import Allowed
from voxtrace._w3c.baggage import read as read_baggage
from voxtrace._w3c.baggage import write as write_baggage
from voxtrace._w3c.text import MAX_HEADER_BYTES, bounded_text
from voxtrace._w3c.tracecontext import write_traceparent
from voxtrace.messaging import formats, names
from voxtrace.messaging.propagation import strange

_PROPAGATED: Final = (names.TRACEPARENT, names.TRACESTATE, names.BAGGAGE, names.HEADER_PREVIOUS)


def inject(
    headers: Mapping[str, Any] | None,
    current: Context,
    *,
    creation: SpanContext | None = None,
    previous: SpanContext | None = None,
    allowed: Allowed | None = None,
) -> dict[str, Any]:
    """
    A copy of `headers` that carries `current` and the time of enqueueing.

    A `creation` context that they carry already stays; `previous` names the span that publishes them again.
    """
    copy: dict[str, Any] = dict(headers) if headers else {}
    estranged = strange(current)
    if estranged:
        creation = None
    if not copy.keys().isdisjoint(_PROPAGATED):
        _clear(copy, creation, estranged=estranged)
    w3c = formats.w3c(propagate.get_global_textmap())
    if w3c is None:
        with guarded("write trace context into a message's headers"):
            _inject_other(copy, current, creation, allowed)
    else:
        _inject_w3c(copy, current, w3c, creation, allowed)
    if creation is not None and previous is not None:
        copy[names.HEADER_PREVIOUS] = write_traceparent(previous)
    copy[names.HEADER_ENQUEUED_AT] = time.time_ns() // 1_000_000
    return copy


def _clear(copy: dict[str, Any], creation: SpanContext | None, *, estranged: bool) -> None:
    """Takes out of a message's headers what must not go with it again."""
    if estranged:
        for name in _PROPAGATED:
            copy.pop(name, None)
    elif creation is None:
        copy.pop(names.HEADER_PREVIOUS, None)
    elif not creation.trace_state:
        copy.pop(names.TRACESTATE, None)


def _inject_w3c(
    copy: dict[str, Any],
    current: Context,
    w3c: formats.W3C,
    creation: SpanContext | None,
    allowed: Allowed | None,
) -> None:
    left = MAX_HEADER_BYTES
    if creation is not None:
        left -= sum(len(copy[name]) for name in (names.TRACEPARENT, names.TRACESTATE) if name in copy)
    elif w3c.spans:
        span_context = trace.get_current_span(current).get_span_context()
        if span_context.is_valid:
            copy[names.TRACEPARENT] = traceparent = write_traceparent(span_context)
            left -= len(traceparent)
            # A forwarded message's tracestate belongs to the traceparent that is being replaced.
            copy.pop(names.TRACESTATE, None)
            if span_context.trace_state:
                tracestate = span_context.trace_state.to_header()
                if len(tracestate) <= left:
                    copy[names.TRACESTATE] = tracestate
                    left -= len(tracestate)
    if w3c.baggage:
        entries = baggage.get_all(current)
        if creation is not None:
            entries = _joined(copy, left, entries)
        if entries:
            _write_baggage(copy, entries, left, allowed)


def _joined(copy: dict[str, Any], left: int, entries: Mapping[str, object]) -> Mapping[str, object]:
    """The baggage that a message published again brings along, under what is set since."""
    text = bounded_text(copy, names.BAGGAGE, left, None)
    copy.pop(names.BAGGAGE, None)
    return entries if text is None else {**baggage.get_all(read_baggage(text, Context())[0]), **entries}


def _write_baggage(
    copy: dict[str, Any], entries: Mapping[str, object], left: int, allowed: Allowed | None
) -> None:
    # Its values are the application's, and may have no text.
    with guarded("write baggage into a message's headers"):
        text, complete = write_baggage(entries, left, allowed)
        if text:
            copy[names.BAGGAGE] = text
        if not complete:
            report("pass all baggage on: more than 8 KiB travel with no message", ValueError(names.BAGGAGE))


def _inject_other(
    copy: dict[str, Any], current: Context, creation: SpanContext | None, allowed: Allowed | None
) -> None:
    """Lets a propagator write that is not written here."""
    if allowed is not None:
        for key in baggage.get_all(current):
            if not allowed(key):
                current = baggage.remove_baggage(key, current)
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context=current)
    if creation is None and names.TRACEPARENT in carrier:
        copy.pop(names.TRACESTATE, None)
    left = MAX_HEADER_BYTES
    for name, value in carrier.items():
        # The creation context stays, whatever its headers are called; baggage is no part of it.
        if len(value) <= left and (creation is None or name == names.BAGGAGE):
            copy[name] = value
            left -= len(value)
