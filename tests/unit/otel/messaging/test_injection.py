"""What goes out with a message: no more than is believed, and no more than 8 KiB."""

from __future__ import annotations

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from voxtrace.messaging import hooks
from voxtrace.messaging.injection import inject
from voxtrace.messaging.propagation import distrusting

CREATION = SpanContext(9, 8, True, TraceFlags(1))
TRACEPARENT = f"00-{9:032x}-{8:016x}-01"
OURS = f"00-{1:032x}-{2:016x}-00"


def within(state: TraceState | None = None) -> Context:
    """A context with a span of ours."""
    span = NonRecordingSpan(SpanContext(1, 2, False, TraceFlags(0), state))
    return trace.set_span_in_context(span, Context())


def test_a_stranger_is_no_creator() -> None:
    """Where messages are not to be passed on, a creation context is not either, whoever names it."""
    sent = inject({"traceparent": TRACEPARENT}, distrusting(within()), creation=CREATION)
    assert sent["traceparent"] == OURS


def test_a_trace_state_that_was_refused_is_not_passed_on() -> None:
    """With a creation context that stays goes what was read of its trace state, or nothing."""
    sent = inject({"traceparent": TRACEPARENT, "tracestate": "="}, within(), creation=CREATION)
    assert (sent["traceparent"], "tracestate" in sent) == (TRACEPARENT, False)


def test_baggage_of_a_message_sent_on_is_joined_with_ours() -> None:
    """What a message brings stays, under what is set since; what cannot be read goes."""
    ours = baggage.set_baggage("b", "3", within())
    headers = {"traceparent": TRACEPARENT, "baggage": "a=1,b=2"}
    assert inject(headers, ours, creation=CREATION)["baggage"] == "a=1,b=3"
    assert inject(headers, within(), creation=CREATION)["baggage"] == "a=1,b=2"
    assert "baggage" not in inject({**headers, "baggage": 7}, within(), creation=CREATION)


def test_a_trace_state_beyond_8_kib_stays_at_home() -> None:
    """The trace goes on without it."""
    state = TraceState([(f"k{number}", "v" * 256) for number in range(32)])
    sent = inject({"tracestate": "old=1"}, within(state))
    assert sent.keys() == {"traceparent", "voxtrace-enqueued-at"}


def test_a_span_that_is_not_kept_is_not_shown() -> None:
    """Hooks cost nothing where nothing is recorded."""
    shown: list[object] = []
    span = NonRecordingSpan(CREATION)

    def hook(*arguments: object) -> None:
        shown.append(arguments)

    hooks.publishing(hook, span, ("", "q", False), None, b"")
    hooks.processing(hook, span, None, None, b"")
    hooks.responding(hook, span, None, None, b"")("ack")
    assert shown == []
