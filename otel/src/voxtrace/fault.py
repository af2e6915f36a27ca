"""Say on a span that what happened in it was made to happen, in a drill."""

from opentelemetry import trace

from voxtrace import semconv
from voxtrace._guard import guarded

__all__ = ["note"]


def note(name: str) -> None:
    """
    Note a fault that was injected on the span that is current; of several the span has all.

    Args:
        name: The fault's name; no content.
    """
    with guarded("note a fault"):
        trace.get_current_span().add_event(
            semconv.EVENT_VOXTRACE_FAULT_STRUCK, {semconv.VOXTRACE_FAULT_NAME: name}
        )
