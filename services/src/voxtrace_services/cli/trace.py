"""One trace as its reader sees it: spans in a tree, whichever backend they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NANOSECONDS = 1_000_000_000
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_ERROR_CODES = (2, "2", "STATUS_CODE_ERROR")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One finished span; times are nanoseconds since the epoch."""

    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: str
    start: int
    end: int
    error: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long the span took."""
        return (self.end - self.start) / NANOSECONDS

    @property
    def is_wait(self) -> bool:
        """Whether the span is the time a message lay in a queue."""
        return self.name.startswith("wait ") and self.kind == "INTERNAL"

    @property
    def operation(self) -> str | None:
        """The engine operation the span stands for (`speech_to_text`, `translate`, ...), if it is one."""
        operation = self.attributes.get("gen_ai.operation.name")
        return operation if isinstance(operation, str) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the tree: a span, what it hangs under, and whether its parent is missing."""

    span: Span
    depth: int
    # For each level above, whether that branch goes on below this line.
    rails: tuple[bool, ...]
    last: bool
    orphan: bool


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The spans of one trace that have arrived so far, in order of their start."""

    trace_id: str
    spans: tuple[Span, ...]

    @classmethod
    def from_otlp(cls, document: Mapping[str, Any], trace_id: str) -> Trace:
        """
        Read a trace from OTLP JSON (`resourceSpans`), hex ids, enum members by number or by name.

        Spans of other traces are left out, and a span that was delivered twice counts once.
        """
        found: dict[str, Span] = {}
        for resource_spans in document.get("resourceSpans", ()):
            resource = _attributes(resource_spans.get("resource", {}).get("attributes", ()))
            service = str(resource.get("service.name", "unknown_service"))
            for scope_spans in resource_spans.get("scopeSpans", ()):
                for span in scope_spans.get("spans", ()):
                    if str(span.get("traceId", trace_id)).lower() == trace_id:
                        read = _span(span, service)
                        found.setdefault(read.span_id, read)
        ordered = sorted(found.values(), key=lambda span: (span.start, -span.end, span.span_id))
        return cls(trace_id=trace_id, spans=tuple(ordered))

    @property
    def start(self) -> int:
        """When the first span started."""
        return min((span.start for span in self.spans), default=0)

    @property
    def end(self) -> int:
        """When the last span ended."""
        return max((span.end for span in self.spans), default=0)

    @property
    def seconds(self) -> float:
        """From the first start to the last end."""
        return (self.end - self.start) / NANOSECONDS

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every span once, parents before children, siblings in order of their start."""
        return tuple(self._walk())

    @property
    def orphans(self) -> tuple[Span, ...]:
        """The spans whose parent is not in this trace: not arrived yet, or lost."""
        return tuple(row.span for row in self.rows if row.orphan)

    @property
    def errors(self) -> tuple[Span, ...]:
        """The spans that failed, in the order of the tree."""
        return tuple(row.span for row in self.rows if row.span.error)

    def _walk(self) -> Iterator[Row]:
        known = {span.span_id for span in self.spans}
        children: dict[str, list[Span]] = {}
        tops: list[Span] = []
        for span in self.spans:
            if span.parent_id in known and span.parent_id is not None:
                children.setdefault(span.parent_id, []).append(span)
            else:
                tops.append(span)
        seen: set[str] = set()
        yield from _branch(tops, children, seen)
        # A circle of parents has no top to hang from; it is still shown, from its first span.
        for span in self.spans:
            yield from _branch([span], children, seen)


def _branch(tops: Sequence[Span], children: Mapping[str, Sequence[Span]], seen: set[str]) -> Iterator[Row]:
    """Walk without recursion, so that a trace of any depth can be shown."""
    pending: list[tuple[Span, int, tuple[bool, ...], bool]] = [(span, 0, (), True) for span in reversed(tops)]
    while pending:
        span, depth, rails, last = pending.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        orphan = depth == 0 and span.parent_id is not None
        yield Row(span=span, depth=depth, rails=rails, last=last, orphan=orphan)
        below = [child for child in children.get(span.span_id, ()) if child.span_id not in seen]
        under = (*rails, not last) if depth else ()
        pending.extend(
            (child, depth + 1, under, position == 0) for position, child in enumerate(reversed(below))
        )


def _span(span: Mapping[str, Any], service: str) -> Span:
    kind = span.get("kind", 0)
    start = int(span["startTimeUnixNano"])
    name = _KINDS[kind] if isinstance(kind, int) else str(kind).removeprefix("SPAN_KIND_")
    return Span(
        span_id=str(span["spanId"]).lower(),
        parent_id=str(span.get("parentSpanId") or "").lower() or None,
        service=service,
        name=str(span.get("name", "")),
        kind=name,
        start=start,
        end=max(start, int(span.get("endTimeUnixNano") or 0)),
        error=span.get("status", {}).get("code") in _ERROR_CODES,
        attributes=_attributes(span.get("attributes", ())),
    )


def _attributes(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {str(pair["key"]): _value(pair.get("value", {})) for pair in pairs}


def _value(value: Mapping[str, Any]) -> Any:
    """Read OTLP's AnyValue; JSON carries 64-bit integers as strings."""
    match value:
        case {"intValue": number}:
            return int(number)
        case {"doubleValue": number}:
            return float(number)
        case {"arrayValue": array}:
            return [_value(item) for item in array.get("values", ())]
        case {"kvlistValue": pairs}:
            return _attributes(pairs.get("values", ()))
        case _:
            return next(iter(value.values()), None)
