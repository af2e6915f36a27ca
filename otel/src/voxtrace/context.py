"""
Carry a trace across a store of your own: an outbox row, a file, a job table.

What travels is the W3C form, whatever ``OTEL_PROPAGATORS`` says: a stored row
must stay readable after a change of settings.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from voxtrace._guard import guarded
from voxtrace._w3c import extraction

__all__ = ["attached", "capture", "trace_id"]

_w3c = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


def capture() -> dict[str, str]:
    """Return the current context as W3C headers; empty when there is no trace. They have 8 KiB together."""
    carrier: dict[str, str] = {}
    if trace.get_current_span().get_span_context().is_valid:
        with guarded("capture the current context"):
            _w3c.inject(carrier)
    return carrier


@contextmanager
def attached(carrier: Mapping[str, str]) -> Iterator[None]:
    """
    Continue the captured trace inside the block.

    An empty or unreadable carrier leaves the current context as it is; no
    carrier ever raises.
    """
    context = otel_context.get_current()
    with guarded("read a captured context"):
        context = _continued(carrier, context)
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)


def trace_id() -> str | None:
    """Return the id of the current trace as 32 hex digits, or None outside a trace."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


def _continued(carrier: Mapping[str, str], context: Context) -> Context:
    # A stored row may have been edited.
    stored: Iterable[tuple[object, object]] = carrier.items()
    headers = {name.lower(): value for name, value in stored if isinstance(name, str)}
    context, captured = extraction.extract(headers, context)
    if captured is None:
        return context
    return trace.set_span_in_context(trace.NonRecordingSpan(captured), context)
