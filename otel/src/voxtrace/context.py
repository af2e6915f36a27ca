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
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from voxtrace._guard import guarded

__all__ = ["attached", "capture", "trace_id"]

_w3c = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


def capture() -> dict[str, str]:
    """Return the current context as W3C headers; empty when there is no trace."""
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
        # A stored row may have been edited: the propagators expect text and trip over the rest.
        stored: Iterable[tuple[object, object]] = carrier.items()
        headers = {k.lower(): v for k, v in stored if isinstance(k, str) and isinstance(v, str)}
        context = _w3c.extract(headers, context)
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)


def trace_id() -> str | None:
    """Return the id of the current trace as 32 hex digits, or None outside a trace."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None
