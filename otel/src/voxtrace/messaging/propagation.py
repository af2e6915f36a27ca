"""
The trace context of a message, out of its headers.

Nothing here trusts them: only text of bounded size is read, what a propagator raises ends here, and what is
not believed is counted.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from opentelemetry import baggage, context, propagate, trace

# The API has no public name for the key; every instrumentation reads this one.
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from voxtrace._guard import guarded
from voxtrace._w3c import extraction
from voxtrace._w3c.baggage import Allowed
from voxtrace._w3c.text import MAX_HEADER_BYTES, TRACEPARENT_BYTES, Refused, bounded_text, harmless, refuse
from voxtrace._w3c.tracecontext import read_traceparent
from voxtrace.messaging import formats, names
from voxtrace.messaging.headers import TABLES

Correlation = Literal["parent", "link", "untrusted"]
"""How a message's context is taken: continued, linked with its baggage kept, or linked and no more."""

_SUPPRESS_PLAIN: Final = "suppress_instrumentation"
_STRANGE: Final = "voxtrace-messaging-untrusted"


def suppressed(current: Context) -> bool:
    """True where the application asked for no instrumentation."""
    return bool(current.get(_SUPPRESS_INSTRUMENTATION_KEY) or current.get(_SUPPRESS_PLAIN))


def strange(current: Context) -> bool:
    """True while a message from an untrusted queue is processed: what it carries is not to be passed on."""
    return bool(current.get(_STRANGE))


def distrusting(current: Context) -> Context:
    """`current` as the context of a message from an untrusted queue."""
    return context.set_value(_STRANGE, True, current)


def lasting(current: Context) -> Context:
    """`current` without span and baggage: where a connection keeps it, they are of the time it was made."""
    base = _without_span(current)
    return baggage.clear(base) if baggage.get_all(base) else base


def extract(
    headers: object,
    current: Context,
    correlation: Correlation = "parent",
    *,
    allowed: Allowed | None = None,
    refused: Refused | None = None,
) -> tuple[Context, SpanContext | None]:
    """
    The context a message is processed in, and its creation context if it carries a valid one.

    Baggage and every other value of `current` are kept; its span is not, since a loop that receives messages
    is no part of any of their traces. In its place is the creation context where `correlation` is `parent`.
    For an untrusted message neither baggage nor trace state is read: both are text of the sender's choice.
    """
    untrusted = correlation == "untrusted"
    base = _without_span(current)
    if untrusted is not strange(base):
        base = context.set_value(_STRANGE, untrusted, base)
    if not headers or not isinstance(headers, TABLES):
        return base, None
    w3c = formats.w3c(propagate.get_global_textmap())
    if w3c is None:
        found, creation = _other(headers, base, allowed, refused)
    else:
        found, creation = extraction.extract(
            headers,
            base,
            spans=w3c.spans,
            baggage=w3c.baggage,
            untrusted=untrusted,
            allowed=allowed,
            refused=refused,
            budget=_budget(headers),
        )
    if creation is None:
        return base if untrusted else found, None
    if correlation == "parent":
        return trace.set_span_in_context(NonRecordingSpan(creation), found), creation
    if untrusted:
        trace_id, span_id, _, flags, *_ = creation
        return base, SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
    return found, creation


def created(headers: Mapping[Any, Any]) -> SpanContext | None:
    """The creation context that a message carries already, if it carries a valid one."""
    if names.TRACEPARENT not in headers and formats.w3c(propagate.get_global_textmap()) is not None:
        return None
    return extract(headers, Context(), "link")[1]


def previous_attempt(headers: Mapping[Any, Any], refused: Refused | None = None) -> SpanContext | None:
    """The span that processed a message before it was published again, if its headers name one."""
    text = bounded_text(headers, names.HEADER_PREVIOUS, MAX_HEADER_BYTES, refused)
    previous = None if text is None else read_traceparent(text)
    if text is not None and previous is None:
        refuse(refused, names.HEADER_PREVIOUS, "syntax")
    return previous


def _budget(headers: Mapping[Any, Any]) -> int:
    """How much may be read beside the attempt before, of which a traceparent's length is kept."""
    return MAX_HEADER_BYTES - (TRACEPARENT_BYTES if names.HEADER_PREVIOUS in headers else 0)


def _without_span(current: Context) -> Context:
    # Most often nothing at all is current where messages are taken.
    if not current or trace.get_current_span(current) is trace.INVALID_SPAN:
        return current
    return trace.set_span_in_context(trace.INVALID_SPAN, current)


def _other(
    headers: Mapping[Any, Any], base: Context, allowed: Allowed | None, refused: Refused | None
) -> tuple[Context, SpanContext | None]:
    """What a propagator that is not written here makes of the headers; the span is not in the context."""
    found = base
    with guarded("read trace context from a message's headers"):
        carrier = _carrier(headers, propagate.get_global_textmap().fields, refused)
        extracted: object = propagate.extract(carrier, context=base)
        if isinstance(extracted, Context):
            found = extracted if allowed is None else _with_allowed_baggage(extracted, base, allowed)
    creation = trace.get_current_span(found).get_span_context()
    return _without_span(found), creation if creation.is_valid else None


def _carrier(headers: Mapping[Any, Any], fields: Iterable[str], refused: Refused | None) -> dict[str, str]:
    carrier: dict[str, str] = {}
    left = _budget(headers)
    known = sorted(fields)
    # Some formats put baggage into any number of headers; no other header may cost a known one its place.
    for name in (*known, *(name for name in headers if isinstance(name, str) and name not in known)):
        told = refused if name in known else None
        text = bounded_text(headers, name, left, told)
        if text is None:
            continue
        if not harmless(text):
            refuse(told, name, "syntax")
            continue
        left -= len(text)
        carrier[name] = text
    return carrier


def _with_allowed_baggage(found: Context, base: Context, allowed: Allowed) -> Context:
    ours = baggage.get_all(base)
    for key in baggage.get_all(found):
        if not allowed(key):
            found = (
                baggage.set_baggage(key, ours[key], found)
                if key in ours
                else baggage.remove_baggage(key, found)
            )
    return found
