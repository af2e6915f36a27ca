"""Headers come from strangers: no AMQP value in any of them costs a message."""

from __future__ import annotations

import datetime as dt
import decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pika
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator

from voxtrace.messaging.headers import NONE, header_int, headers_of
from voxtrace.messaging.injection import inject
from voxtrace.messaging.propagation import extract

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Seen, Wire

CREATION = f"00-{9:032x}-{8:016x}-01"
READ = (
    "traceparent",
    "tracestate",
    "baggage",
    "voxtrace-enqueued-at",
    "timestamp_in_ms",
    "x-attempt",
    "x-delivery-count",
    "x-exception-type",
)

leaves = st.one_of(
    st.sampled_from(
        [None, True, False, float("nan"), decimal.Decimal("1.5"), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]
    ),
    st.sampled_from([CREATION, CREATION.encode(), CREATION + "-x", "a=b", "k=v;p=1,=,,", "x" * 9000]),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=20),
    st.text(max_size=20),
)
values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.text(max_size=3), leaves, max_size=2)
tables = st.dictionaries(st.sampled_from((*READ, "other", "", b"\xff", 7)), values, max_size=5)


@settings(max_examples=2000, derandomize=True, deadline=None)
@given(st.none() | tables | values)
def test_extraction_never_raises(headers: object) -> None:
    """From anything at all, extraction answers a context and a creation context that is valid or none."""
    found, creation = extract(headers, Context())
    assert isinstance(found, Context)
    assert creation is None or creation.is_valid


@settings(
    max_examples=1000,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(headers=tables)
def test_a_consumer_survives_any_headers(wire: Wire, seen: Seen, headers: dict[Any, Any]) -> None:
    """Whatever the headers hold, the callback runs once and its message has exactly one process span."""
    runs: list[int] = []
    wire = type(wire)()
    wire.blocking.basic_consume("q", lambda *_: runs.append(1), auto_ack=True, consumer_tag="consumer")
    seen.exporter.clear()
    wire.deliver(pika.BasicProperties(headers=headers))
    assert runs == [1]
    assert [span["kind"] for span in seen.spans()].count("CONSUMER") == 1


@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(headers=tables)
def test_a_publish_keeps_any_headers(wire: Wire, headers: dict[Any, Any]) -> None:
    """Whatever headers a caller sends, they go out; only the propagated ones are replaced."""
    wire.sent.clear()
    wire.blocking.basic_publish("", "q", b"", pika.BasicProperties(headers=headers))
    (sent,) = wire.published
    kept = {key: value for key, value in sent.headers.items() if key not in READ[:4]}
    assert repr(kept) == repr({key: value for key, value in headers.items() if key not in READ[:4]})


@pytest.mark.parametrize("name", ["traceparent", "tracestate", "baggage"])
@pytest.mark.parametrize(
    "value",
    [7, b"\xff\xfe", True, [1], {"a": 1}, None, decimal.Decimal(1), "x" * 1_000_000, "\x00", ""],
    ids=lambda value: type(value).__name__,
)
def test_what_kills_other_consumers_is_ignored(name: str, value: object) -> None:
    """A header of a wrong type or size counts as absent."""
    extracted, creation = extract({name: value}, Context())
    assert creation is None
    assert not trace.get_current_span(extracted).get_span_context().is_valid


@pytest.mark.parametrize("traceparent", [CREATION, CREATION.encode()])
def test_text_is_read_from_strings_and_bytes(traceparent: object) -> None:
    """Some clients send text as an AMQP byte array."""
    _, creation = extract({"traceparent": traceparent}, Context())
    assert creation is not None
    assert (creation.trace_id, creation.span_id, creation.is_remote) == (9, 8, True)


def test_a_valid_head_does_not_excuse_a_long_tail() -> None:
    """The size limit holds for values that a propagator would take."""
    future = f"01-{9:032x}-{8:016x}-01-"
    assert extract({"traceparent": future + "x"}, Context())[1] is not None
    assert extract({"traceparent": future + "x" * 9000}, Context())[1] is None


def test_unreadable_bytes_cost_their_header_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are no text are no failure either: the other headers count, and nothing is logged."""
    _, creation = extract({"traceparent": CREATION, "baggage": b"\xff"}, Context())
    assert creation is not None
    assert caplog.records == []


def test_a_tracestate_that_is_hostile_costs_the_tracestate_alone() -> None:
    """The trace goes on when only its vendor data is unreadable."""
    _, creation = extract({"traceparent": CREATION, "tracestate": [1, {"a": b"b"}]}, Context())
    assert creation is not None
    assert creation.trace_id == 9


class Failing(TextMapPropagator):
    """A propagator that somebody wrote badly."""

    def extract(self, *_args: Any, **_kwargs: Any) -> Context:
        """Fails."""
        raise RuntimeError

    def inject(self, *_args: Any, **_kwargs: Any) -> None:
        """Fails."""
        raise RuntimeError

    @property
    def fields(self) -> set[str]:
        """None."""
        return set()


def test_a_failing_propagator_costs_the_link_alone(
    wire: Wire, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a broken propagator messages are sent, delivered and traced, each in a trace of its own."""
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Failing())
    wire.blocking.basic_consume("q", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    wire.blocking.basic_publish("", "q", b"", pika.BasicProperties(headers={"a": 1}))
    wire.deliver(wire.published[0], exchange="", routing_key="q")
    assert [(span["name"], span["trace"]) for span in seen.spans()] == [
        ("publish q", 1),
        ("wait q", 2),
        ("process q", 2),
    ]


def test_injection_leaves_its_input_alone() -> None:
    """The caller's headers are copied, never changed."""
    headers = {"a": 1}
    assert inject(headers, Context()).keys() == {"a", "voxtrace-enqueued-at"}
    assert headers == {"a": 1}


@pytest.mark.parametrize("properties", [None, pika.BasicProperties(), SimpleNamespace(headers="x-death")])
def test_a_message_without_a_table_of_headers_has_none(properties: object) -> None:
    """Whatever else is in its place is no header."""
    assert headers_of(properties) is NONE


@pytest.mark.parametrize(
    ("value", "integer"),
    [("3", None), (3, 3), (True, None)],
)
def test_single_headers_are_typed(value: object, integer: int | None) -> None:
    """A header read as a number is one, or absent."""
    assert header_int({"h": value}, "h") == integer
