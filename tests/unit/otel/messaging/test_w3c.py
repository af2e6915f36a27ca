"""The W3C formats: what the specifications allow and forbid, and that the API's propagators agree."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from voxtrace.messaging import formats
from voxtrace.messaging.injection import inject
from voxtrace.messaging.propagation import extract, previous_attempt

API = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("traceparent", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f"00-{TRACE}-{SPAN}-01", 1),
        (f"00-{TRACE}-{SPAN}-02", 2),
        (f"00-{TRACE}-{SPAN}-03", 3),
        (f"00-{TRACE}-{SPAN}-ff", 255),
        # A later version is read as far as it is known.
        (f"cc-{TRACE}-{SPAN}-01", 1),
        (f"fe-{TRACE}-{SPAN}-01-what-the-future-brings", 1),
        (f"01-{TRACE}-{SPAN}-09-", 9),
        # Blanks around a header's value are no part of it.
        (f" 00-{TRACE}-{SPAN}-01", 1),
        (f"\t00-{TRACE}-{SPAN}-01 \t", 1),
    ],
)
def test_a_valid_traceparent_is_continued(traceparent: str, flags: int) -> None:
    """Every field is read, unknown flags included."""
    _, creation = extract({"traceparent": traceparent}, Context())
    assert creation == SpanContext(int(TRACE, 16), int(SPAN, 16), True, TraceFlags(flags))


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-001",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-what-the-future-brings",
        f"00-{TRACE}-{SPAN}-01.",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f"0x-{TRACE}-{SPAN}-01",
        f"FE-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01what-the-future-brings",
        f"cc-{TRACE}-{SPAN}-01.what-the-future-brings",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN[1:]}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE[:-1]}.-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}.-01",
        f"00-{TRACE}-{SPAN}-x1",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE}-{SPAN}-01\n\n",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"00-{'٤' * 32}-{SPAN}-01",
    ],
)
def test_an_invalid_traceparent_is_refused(traceparent: str) -> None:
    """What is not a traceparent is none, its trace state counts for nothing, and the refusal is told."""
    refused: list[tuple[str, str]] = []
    headers = {"traceparent": traceparent, "tracestate": "a=b"}
    found, creation = extract(headers, Context(), refused=lambda *what: refused.append(what))
    assert creation is None
    assert not trace.get_current_span(found).get_span_context().is_valid
    assert refused == [("traceparent", "syntax")]


@pytest.mark.parametrize(
    ("tracestate", "state"),
    [
        ("", {}),
        ("foo=1", {"foo": "1"}),
        ("foo=1,bar=2", {"foo": "1", "bar": "2"}),
        ("foo=1 , \tbar=2\t", {"foo": "1", "bar": "2"}),
        ("foo=1,,bar=2,", {"foo": "1", "bar": "2"}),
        ("foo=a b", {"foo": "a b"}),
        ("foo= 1", {"foo": " 1"}),
        ("foo=1;bar", {"foo": "1;bar"}),
        ("a_-*/0=1", {"a_-*/0": "1"}),
        ("fw529a3039@dt=FfAAAAMSQ", {"fw529a3039@dt": "FfAAAAMSQ"}),
        (f"{'t' * 241}@{'v' * 14}=1", {f"{'t' * 241}@{'v' * 14}": "1"}),
        (f"{'z' * 256}=1", {"z" * 256: "1"}),
        (f"foo={'v' * 256}", {"foo": "v" * 256}),
        (",".join(f"k{n}=1" for n in range(32)), {f"k{n}": "1" for n in range(32)}),
    ],
)
def test_a_valid_tracestate_is_kept(tracestate: str, state: dict[str, str]) -> None:
    """Keys, values and their order are the sender's."""
    _, creation = extract({"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": tracestate}, Context())
    assert creation is not None
    assert list(creation.trace_state.items()) == list(state.items())


@pytest.mark.parametrize(
    "tracestate",
    [
        "foo",
        "foo=",
        "=1",
        "foo =1",
        "foo=1=2",
        "foo=1;bar=2=3",
        "foo=1,foo=1",
        "foo=1,foo=2",
        "FOO=1",
        "foo.bar=1",
        "foo@=1",
        "@foo=1",
        "foo@@bar=1",
        "foo@bar@baz=1",
        "foo=bär",
        "föö=1",
        "foo=\x01",
        "foo=a\nb",
        f"{'z' * 257}=1",
        f"{'t' * 242}@v=1",
        f"t@{'v' * 15}=1",
        f"foo={'v' * 257}",
        ",".join(f"k{n}=1" for n in range(33)),
    ],
)
def test_an_invalid_tracestate_costs_itself_alone(tracestate: str) -> None:
    """The trace goes on without what its vendors noted, and the refusal is told."""
    refused: list[tuple[str, str]] = []
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": tracestate}
    _, creation = extract(headers, Context(), refused=lambda *what: refused.append(what))
    assert creation == SpanContext(int(TRACE, 16), int(SPAN, 16), True, TraceFlags(1))
    assert not creation.trace_state
    assert refused == [("tracestate", "syntax")]


@pytest.mark.parametrize(
    ("text", "entries", "complete"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a=1,b=2", {"a": "1", "b": "2"}, True),
        (" a = 1 , b = 2 ", {"a": "1", "b": "2"}, True),
        ("a=", {"a": ""}, True),
        ("a=1=2", {"a": "1=2"}, True),
        ("a=%C3%A4%2C%20", {"a": "ä,"}, True),
        ("a=1;p=2;q", {"a": "1;p=2;q"}, True),
        ("a=1,a=2", {"a": "2"}, True),
        ("a=1,,b=2", {"a": "1", "b": "2"}, True),
        ("a", {}, False),
        ("=1", {}, False),
        ("a b=1", {}, False),
        ("a(=1,b=2", {"b": "2"}, False),
        ('a="1"', {}, False),
        ("a=1;=2", {}, False),
        ("ä=1,b=2", {"b": "2"}, False),
        (f"a={'v' * 4095},b=2", {"b": "2"}, False),
        (",".join(f"k{n}=" for n in range(181)), {f"k{n}": "" for n in range(180)}, False),
    ],
)
def test_baggage_is_read_member_by_member(text: str, entries: dict[str, str], complete: bool) -> None:
    """One that nobody may write costs itself alone, and is told."""
    refused: list[tuple[str, str]] = []
    found, _ = extract({"baggage": text}, Context(), refused=lambda *what: refused.append(what))
    assert dict(baggage.get_all(found)) == entries
    assert refused == ([] if complete else [("baggage", "syntax")])


def test_what_is_kept_has_one_budget() -> None:
    """Baggage of the full 8 KiB is read alone, and refused beside a trace context."""
    refused: list[tuple[str, str]] = []
    full = {"baggage": f"a={'v' * 4094},b={'v' * 4093}"}
    found, _ = extract(full, Context(), refused=lambda *what: refused.append(what))
    assert len(baggage.get_all(found)) == 2
    found, creation = extract(
        {**full, "traceparent": f"00-{TRACE}-{SPAN}-01"},
        Context(),
        refused=lambda *what: refused.append(what),
    )
    assert creation is not None
    assert dict(baggage.get_all(found)) == {}
    assert refused == [("baggage", "size")]


def test_of_a_strangers_headers_the_trace_context_alone_is_read() -> None:
    """What is not believed anyway is not looked at, whatever it holds."""
    refused: list[tuple[str, str]] = []
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": 7, "baggage": 7}
    _, creation = extract(headers, Context(), "untrusted", refused=lambda *what: refused.append(what))
    assert creation is not None
    assert refused == []


@pytest.mark.parametrize("flags", [0, 1, 2, 3, 255])
def test_flags_are_passed_on(flags: int) -> None:
    """The random-trace-id flag, and those that are not named yet, go out as they came."""
    span = NonRecordingSpan(SpanContext(1, 2, False, TraceFlags(flags)))
    sent = inject(None, trace.set_span_in_context(span, Context()))
    assert sent["traceparent"] == f"00-{1:032x}-{2:016x}-{flags:02x}"


# Text that is nearly what the specifications allow.
odd = st.text(alphabet=[*'0aF9-_*/@=,;% \t\n"\\', "ä", "\x00"], max_size=12)
hexadecimal = "0123456789abcdef"


def digits(count: int) -> st.SearchStrategy[str]:
    """So many hexadecimal digits."""
    return st.text(hexadecimal, min_size=count, max_size=count)


traceparents = st.builds(
    "{}{}-{}-{}-{}{}".format,
    st.sampled_from(["", "", " ", "\t ", "x"]),
    st.sampled_from(["00", "00", "00", "01", "ff", "FE"]),
    digits(32) | st.just("0" * 32),
    digits(16) | st.just("0" * 16),
    digits(2),
    st.sampled_from(["", "", "", "-", "-more ", " ", "\n", "\n\n", ".", "-a\nb"]),
)
keys = st.text(string.ascii_lowercase + "0_-*/@", min_size=1, max_size=5)
members = st.builds("{}{}={}{}".format, keys, odd, odd, st.sampled_from(["", " ", ";p=1", "; q ;r= 2"]))
lists = st.lists(members | odd, max_size=5).map(",".join)
headers = st.fixed_dictionaries({}, optional={
    "traceparent": traceparents | odd, "tracestate": lists, "baggage": lists,
})  # fmt: skip


@settings(max_examples=600, derandomize=True, deadline=None)
@given(headers)
def test_extraction_agrees_with_the_api(carrier: dict[str, str]) -> None:
    """From any text, the context is the very one the API's propagators make."""
    expected = API.extract(carrier, Context())
    found, creation = extract(carrier, Context())
    theirs = trace.get_current_span(expected).get_span_context()
    ours = trace.get_current_span(found).get_span_context()
    assert (ours, ours.trace_state) == (theirs, theirs.trace_state)
    assert creation == (theirs if theirs.is_valid else None)
    assert dict(baggage.get_all(found)) == dict(baggage.get_all(expected))


spans = st.builds(
    SpanContext,
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**64 - 1),
    st.booleans(),
    st.integers(0, 255).map(TraceFlags),
    st.lists(st.tuples(keys, st.text("ab=, ", max_size=4)), max_size=3).map(TraceState),
).filter(lambda span: span.is_valid or span == trace.INVALID_SPAN_CONTEXT)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(spans, st.dictionaries(odd, odd | st.integers() | st.none(), max_size=4))
def test_injection_agrees_with_the_api(span: SpanContext, entries: dict[str, Any]) -> None:
    """From any context, the headers are the very ones the API's propagators write."""
    context = trace.set_span_in_context(NonRecordingSpan(span), Context())
    for key, value in entries.items():
        context = baggage.set_baggage(key, value, context)
    expected: dict[str, str] = {}
    API.inject(expected, context)
    sent = inject(None, context)
    del sent["voxtrace-enqueued-at"]
    assert sent == expected


@given(spans.filter(lambda span: span.is_valid))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_the_previous_attempt_is_read_as_it_was_written(span: SpanContext) -> None:
    """Our own header is a traceparent."""
    creation = SpanContext(9, 8, True)
    headers = {"traceparent": f"00-{9:032x}-{8:016x}-00"}
    sent = inject(headers, Context(), creation=creation, previous=span)
    read = previous_attempt(sent)
    assert read is not None
    assert read[:2] == span[:2]
    assert read.trace_flags == span.trace_flags


class Other(TextMapPropagator):
    """A format of somebody's own: one header for the span, and baggage as W3C has it."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:
        """From `x-other`, the span id alone."""
        context = W3CBaggagePropagator().extract(carrier, context)
        if "x-other" not in carrier:
            return context
        span = NonRecordingSpan(SpanContext(7, int(carrier["x-other"]), True, TraceFlags(1)))
        return trace.set_span_in_context(span, context)

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        """The same."""
        W3CBaggagePropagator().inject(carrier, context)
        carrier["x-other"] = str(trace.get_current_span(context).get_span_context().span_id)

    @property
    def fields(self) -> set[str]:
        """Both."""
        return {"x-other", "baggage"}


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application propagates in a format of its own."""
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Other())


def _only_a(key: str) -> bool:
    return key == "a"


@pytest.mark.usefixtures("other")
def test_another_format_is_honoured() -> None:
    """Whatever the application propagates in is read and written; the W3C headers are not."""
    headers = {"x-other": "5", "baggage": "a=1", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    found, creation = extract(headers, Context())
    assert creation is not None
    assert (creation.trace_id, creation.span_id) == (7, 5)
    assert dict(baggage.get_all(found)) == {"a": "1"}
    assert inject({}, found).keys() == {"x-other", "baggage", "voxtrace-enqueued-at"}


@pytest.mark.usefixtures("other")
def test_another_format_obeys_the_same_rules() -> None:
    """Link and distrust, the list of baggage, the creation context kept, and the refusals of its headers."""
    headers = {"x-other": "5", "baggage": "a=1,b=2"}
    ambient = baggage.set_baggage("b", "mine", Context())
    found, _ = extract(headers, ambient, "link", allowed=_only_a)
    assert not trace.get_current_span(found).get_span_context().is_valid
    assert dict(baggage.get_all(found)) == {"a": "1", "b": "mine"}
    found, creation = extract(headers, ambient, "untrusted")
    assert dict(baggage.get_all(found)) == {"b": "mine"}
    assert creation is not None
    current = trace.set_span_in_context(NonRecordingSpan(SpanContext(7, 6, False)), ambient)
    sent = inject(headers, current, creation=creation, allowed=_only_a)
    assert (sent["x-other"], sent["baggage"]) == ("5", "a=1,b=2")
    refused: list[tuple[str, str]] = []
    bad = {"x-other": 7, "baggage": " " * 64, "more": 7}
    extract(bad, Context(), refused=lambda *what: refused.append(what))
    assert refused == [("baggage", "syntax"), ("x-other", "type")]


@pytest.mark.parametrize(
    ("textmap", "answer"),
    [
        (API, formats.W3C(spans=True, baggage=True)),
        (TraceContextTextMapPropagator(), formats.W3C(spans=True, baggage=False)),
        (CompositePropagator([W3CBaggagePropagator()]), formats.W3C(spans=False, baggage=True)),
        (CompositePropagator([]), formats.W3C(spans=False, baggage=False)),
        (Other(), None),
        (CompositePropagator([TraceContextTextMapPropagator(), Other()]), None),
        (type("Own", (TraceContextTextMapPropagator,), {})(), None),
    ],
)
def test_what_is_propagated_is_the_applications_choice(
    monkeypatch: pytest.MonkeyPatch, textmap: TextMapPropagator, answer: formats.W3C | None
) -> None:
    """Only the API's own W3C propagators are stood in for; each alone means it alone."""
    assert formats.w3c(textmap) == formats.w3c(textmap) == answer
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", textmap)
    span = NonRecordingSpan(SpanContext(1, 2, False))
    context = baggage.set_baggage("a", "1", trace.set_span_in_context(span, Context()))
    expected: dict[str, str] = {}
    propagate.inject(expected, context)
    sent = inject(None, context)
    del sent["voxtrace-enqueued-at"]
    assert sent == expected
    found, creation = extract(sent, Context())
    assert (creation is not None) is ("traceparent" in expected or "x-other" in expected)
    assert bool(baggage.get_all(found)) is ("baggage" in expected)
