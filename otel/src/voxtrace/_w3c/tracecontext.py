"""
The W3C trace context as text, both ways.

The API's propagator reads and writes the same (a property test compares them); it costs twice the time, since
it serves every carrier, and quotes what strangers send in its warnings.
"""

import re
from typing import Final

from opentelemetry.trace import SpanContext, TraceFlags, TraceState

# Possessive, as no stranger's run of blanks may cost quadratic time.
_TRACEPARENT: Final = re.compile(
    r"[ \t]*+([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*+)?[ \t]*+$"
)
_KEY: Final = r"[a-z][_0-9a-z\-*/]{0,255}|[a-z0-9][_0-9a-z\-*/]{0,240}@[a-z][_0-9a-z\-*/]{0,13}"
_VALUE: Final = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER: Final = re.compile(f"({_KEY})=({_VALUE})")
_MAX_MEMBERS: Final = 32
_FLAGS: Final = tuple(TraceFlags(flags) for flags in range(256))
_FLAGS_WRITTEN: Final = tuple(f"{flags:02x}" for flags in range(256))


def read_traceparent(text: str, state: TraceState | None = None) -> SpanContext | None:
    """The remote span that a `traceparent` names; None where it names none."""
    match = _TRACEPARENT.match(text)
    if match is None:
        return None
    version, trace_id, span_id, flags, future = match.groups()
    # Version 00 ends here; a later one may go on, and ff is none.
    if future if version == "00" else version == "ff":
        return None
    span_context = SpanContext(int(trace_id, 16), int(span_id, 16), True, _FLAGS[int(flags, 16)], state)
    return span_context if span_context.is_valid else None


def write_traceparent(span_context: SpanContext) -> str:
    """The `traceparent` that names a span, with all of its flags."""
    trace_id, span_id, _, flags, _, _ = span_context
    return f"00-{trace_id:032x}-{span_id:016x}-{_FLAGS_WRITTEN[flags & 0xFF]}"


def read_tracestate(text: str) -> TraceState | None:
    """What vendors noted on the trace; None where one of them wrote what nobody may."""
    pairs: dict[str, str] = {}
    for piece in text.split(","):
        member = piece.strip(" \t")
        if not member:
            continue
        match = _MEMBER.fullmatch(member)
        if match is None or match[1] in pairs:
            return None
        pairs[match[1]] = match[2]
    return TraceState(list(pairs.items())) if len(pairs) <= _MAX_MEMBERS else None
