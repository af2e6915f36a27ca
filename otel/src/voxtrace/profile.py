"""Say on a span where the profile of its work is found."""

from dataclasses import dataclass
from typing import Self

from opentelemetry import trace

from voxtrace import semconv
from voxtrace._guard import guarded

__all__ = ["Subject"]


@dataclass(frozen=True)
class Subject:
    """The span of some work that may be profiled, from whichever thread."""

    span: trace.Span

    @classmethod
    def current(cls) -> Self:
        """Return the span that is current here; there may be none, which is as well."""
        return cls(trace.get_current_span())

    @property
    def trace_id(self) -> str | None:
        """The id of its trace as 32 hex digits, or None."""
        context = self.span.get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    def link(self, path: str) -> None:
        """Note on the span where its profile is; once it has ended, nothing happens."""
        with guarded("link a profile"):
            if self.span.is_recording():
                self.span.set_attribute(semconv.VOXTRACE_PROFILE_PATH, path)
