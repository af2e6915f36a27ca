"""
Trace context in AMQP headers.

Headers come from strangers and may hold any AMQP type, so nothing here trusts them: propagators see only
text of bounded size, and what they raise ends here.
"""

import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import propagate, trace

# The API has no public name for the key; every instrumentation reads this one.
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import SpanContext

from voxtrace._guard import guarded
from voxtrace.messaging import names

MAX_HEADER_BYTES = 8192
"""The W3C limit for baggage, the largest of the propagated headers; a longer value is not read at all."""

_SUPPRESS_KEYS = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")


def suppressed(current: Context) -> bool:
    """True where the application asked for no instrumentation."""
    return any(current.get(key) for key in _SUPPRESS_KEYS)


def extract(headers: object, current: Context) -> tuple[Context, SpanContext | None]:
    """
    The context a message continues, and its creation context if it carries a valid one.

    Baggage and every other value of `current` are kept; its span is not, since a loop that receives messages
    is no part of any of their traces.
    """
    base = trace.set_span_in_context(trace.INVALID_SPAN, current)
    extracted = base
    with guarded("read trace context from a message's headers"):
        carrier = _carrier(headers)
        extracted = propagate.extract(carrier, context=base) if carrier else base
    creation = trace.get_current_span(extracted).get_span_context()
    return extracted, creation if creation.is_valid else None


def inject(headers: Mapping[str, Any] | None, current: Context) -> dict[str, Any]:
    """A copy of `headers` that carries `current` and the time of enqueueing."""
    copy: dict[str, Any] = dict(headers or {})
    carrier: dict[str, str] = {}
    with guarded("write trace context into a message's headers"):
        propagate.inject(carrier, context=current)
    if "traceparent" in carrier:
        # A forwarded message's tracestate belongs to the traceparent that is being replaced.
        copy.pop("tracestate", None)
    copy.update(carrier)
    copy[names.HEADER_ENQUEUED_AT] = time.time_ns() // 1_000_000
    return copy


def header_int(headers: object, name: str) -> int | None:
    """The header `name` if it is an integer."""
    value = headers.get(name) if isinstance(headers, Mapping) else None
    # bool is an int to Python but a type of its own to AMQP.
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _carrier(headers: object) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        return {}
    return {
        key: text
        for key, value in headers.items()
        if isinstance(key, str) and (text := _bounded_text(value)) is not None
    }


def _bounded_text(value: object) -> str | None:
    if not isinstance(value, str | bytes) or len(value) > MAX_HEADER_BYTES:
        return None
    if isinstance(value, str):
        return value
    # Some clients (Go's amqp091 among them) write text as a byte array.
    return value.decode("ascii") if value.isascii() else None
