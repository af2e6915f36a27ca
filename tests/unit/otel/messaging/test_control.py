"""What an application says about its messages: whom to believe, what to leave out, what to look at."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace

from unit.otel.messaging.conftest import CREATION, consume, sent
from voxtrace.messaging import batch, selection
from voxtrace.messaging.configuration import Configuration

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Clock, Seen, Trace


def test_a_message_may_be_linked_alone(traced: Trace, seen: Seen, clock: Clock) -> None:
    """With correlation=link processing is a trace of its own, its wait in it; the baggage comes along."""
    wire = traced(correlation="link")
    found: list[object] = []
    consume(wire, lambda *_: found.append(baggage.get_baggage("job")))
    wire.deliver(sent(clock, baggage="job=7"))
    assert found == ["7"]
    assert [(span["name"], span["trace"], span["parent"], span["links"]) for span in seen.spans()] == [
        ("wait transcribe", 1, 1, []),
        ("process speech:transcribe", 1, None, [8]),
    ]


def test_a_stranger_is_linked_and_no_more(traced: Trace, seen: Seen, clock: Clock) -> None:
    """From an untrusted queue no parent, baggage, trace state, wait or attempt is believed."""
    wire = traced(untrusted_queues=["edge.*"])
    found: list[dict[str, object]] = []
    consume(wire, lambda *_: found.append(dict(baggage.get_all())), queue="edge.uploads")
    token = context.attach(baggage.set_baggage("ours", "1"))
    try:
        wire.deliver(sent(clock, baggage="ours=2,job=7", tracestate="a=b", **{"x-attempt": 40}))
    finally:
        context.detach(token)
    assert found == [{"ours": "1"}]
    (span,) = seen.spans()
    assert (span["trace"], span["parent"]) == (1, None)
    assert span["attributes"]["voxtrace.messaging.delivery.attempt"] == 1
    (link,) = seen.raw[0].links
    assert (link.context.trace_id, link.context.span_id, dict(link.context.trace_state)) == (9, 8, {})
    assert dict(link.attributes) == {"voxtrace.link.reason": "untrusted_sender"}


def test_what_a_stranger_sent_is_not_passed_on(traced: Trace, seen: Seen, clock: Clock) -> None:
    """Published again from an untrusted queue, a message carries our context and none of the sender's."""
    wire = traced(untrusted_queues=["edge"])
    strange = {"baggage": "job=7", "tracestate": "a=b", "voxtrace-previous": CREATION, "kept": 1}

    def forward(channel: Any, _method: Any, properties: Any, body: Any) -> None:
        channel.basic_publish("", "inner", body, properties)

    consume(wire, forward, queue="edge")
    wire.deliver(sent(clock, **strange))
    assert wire.published[0].headers == {
        "traceparent": f"00-{1:032x}-{2:016x}-01",
        "voxtrace-enqueued-at": clock.now // 1_000_000,
        "kept": 1,
    }
    assert (seen.named("publish inner")["parent"], seen.named("publish inner")["links"]) == (1, [])


def test_what_a_stranger_sent_is_known_elsewhere(traced: Trace, seen: Seen, clock: Clock) -> None:
    """Published again later, on a thread without context, it carries our context all the same."""
    wire = traced(untrusted_queues=["edge"])
    kept: list[Any] = []
    consume(wire, lambda _channel, _method, properties, _body: kept.append(properties), queue="edge")
    wire.deliver(sent(clock, baggage="job=7"))
    wire.blocking.basic_publish("", "inner", b"", kept[0])
    assert wire.published[0].headers == {
        "traceparent": f"00-{2:032x}-{2:016x}-01",
        "voxtrace-enqueued-at": clock.now // 1_000_000,
    }
    assert seen.named("publish inner")["links"] == []


def test_what_strangers_sent_is_not_passed_on_in_a_batch(traced: Trace, clock: Clock) -> None:
    """A batch with one message of a stranger's in it passes no context of any on."""
    wire = traced(untrusted_queues=["edge"])
    kept: list[Any] = []
    wire.blocking.basic_consume("edge", lambda *message: kept.append(message), consumer_tag="consumer")
    wire.deliver(sent(clock))
    with batch(kept):
        bare = pika.BasicProperties(headers={"traceparent": CREATION.replace("9", "7"), "baggage": "a=1"})
        wire.blocking.basic_publish("", "inner", b"", bare)
        wire.blocking.basic_ack(1)
    assert wire.published[0].headers.keys() == {"traceparent", "voxtrace-enqueued-at"}
    assert wire.published[0].headers["traceparent"].endswith(f"-{3:016x}-01")


def test_strangers_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was heard of longest ago goes first."""
    monkeypatch.setattr(selection, "_MAX_STRANGERS", 2)
    asked = selection.Selection(Configuration())
    creations = [trace.SpanContext(1, span, True) for span in (1, 2, 3)]
    for creation in (None, *creations):
        asked.note_stranger(creation)
    assert [asked.is_strangers(creation) for creation in creations] == [False, True, True]


def test_distrust_ends_with_the_message(traced: Trace, seen: Seen, clock: Clock) -> None:
    """A message from a trusted queue that is delivered while a stranger's is processed is continued."""
    wire = traced(untrusted_queues=["edge"])
    inner = wire.new_channel(2)

    def republish(channel: Any, _method: Any, properties: Any, body: Any) -> None:
        channel.basic_publish("", "again", body, properties)

    inner.basic_consume("inner", republish, auto_ack=True, consumer_tag="inner")

    trusted = f"00-{9:032x}-{7:016x}-01"

    def nested(*_args: Any) -> None:
        wire.deliver(sent(clock, traceparent=trusted), channel=inner, consumer_tag="inner")

    consume(wire, nested, queue="edge")
    wire.deliver(sent(clock))
    assert wire.published[0].headers["traceparent"] == trusted
    assert seen.named("process speech:transcribe:inner")["parent"] == 7


def test_a_message_published_again_keeps_its_creation_context(
    traced: Trace, seen: Seen, clock: Clock
) -> None:
    """The publish links the creation context; a header of ours names the attempt that published again."""
    wire = traced()
    original = sent(clock, tracestate="a=b", baggage="job=7", attempt=1)

    def retry(channel: Any, _method: Any, properties: Any, body: Any) -> None:
        token = context.attach(baggage.set_baggage("tries", 2))
        channel.basic_publish("", "retry", body, properties)
        context.detach(token)

    consume(wire, retry)
    before = dict(original.headers)
    wire.deliver(original)
    assert original.headers == before
    assert wire.published[0].headers == {
        "traceparent": CREATION,
        "tracestate": "a=b",
        "baggage": "job=7,tries=2",
        "voxtrace-previous": f"00-{9:032x}-{1:016x}-01",
        "voxtrace-enqueued-at": clock.now // 1_000_000,
        "attempt": 1,
    }
    published = seen.named("publish retry")
    assert (published["trace"], published["parent"], published["links"]) == (9, 1, [8])


def test_a_replay_outside_any_delivery_keeps_the_last_attempt(traced: Trace, seen: Seen) -> None:
    """Who publishes a message again without processing it is no attempt."""
    wire = traced()
    attempt = f"00-{9:032x}-{5:016x}-01"
    headers = {"traceparent": CREATION, "voxtrace-previous": attempt}
    wire.blocking.basic_publish("", "replay", b"", pika.BasicProperties(headers=headers))
    assert wire.published[0].headers["traceparent"] == CREATION
    assert wire.published[0].headers["voxtrace-previous"] == attempt


def test_a_new_message_has_no_history(traced: Trace) -> None:
    """A message with the remains of another's headers, its creation context taken out, is a first attempt."""
    wire = traced()
    headers = {"voxtrace-previous": CREATION, "tracestate": "a=b", "traceparent": "none"}
    wire.blocking.basic_publish("", "q", b"", pika.BasicProperties(headers=headers))
    assert wire.published[0].headers.keys() == {"traceparent", "voxtrace-enqueued-at"}
    assert wire.published[0].headers["traceparent"] == f"00-{1:032x}-{1:016x}-01"


def test_baggage_travels_by_the_list_alone(traced: Trace, clock: Clock) -> None:
    """Of an allow-list's globs, both what is sent and what is received must match one."""
    wire = traced(baggage_keys=["job.*"])
    found: list[dict[str, object]] = []
    consume(wire, lambda *_: found.append(dict(baggage.get_all())))
    wire.deliver(sent(clock, baggage="job.id=7,user=secret"))
    assert found == [{"job.id": "7"}]
    mine = baggage.set_baggage("user", "secret", baggage.set_baggage("job.id", "8"))
    token = context.attach(mine)
    wire.blocking.basic_publish("", "q", b"")
    context.detach(token)
    assert wire.published[0].headers["baggage"] == "job.id=8"


def test_baggage_can_stay_at_home(traced: Trace, clock: Clock) -> None:
    """An empty allow-list lets none in or out."""
    wire = traced(baggage_keys=[])
    found: list[dict[str, object]] = []
    consume(wire, lambda *_: found.append(dict(baggage.get_all())))
    wire.deliver(sent(clock, baggage="job.id=7"))
    token = context.attach(baggage.set_baggage("job.id", "8"))
    wire.blocking.basic_publish("", "q", b"")
    context.detach(token)
    assert found == [{}]
    assert "baggage" not in wire.published[0].headers


def test_baggage_beyond_8_kib_is_left_out_and_reported(
    traced: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    """What fits goes, with the trace context, and one line says that something was left."""
    wire = traced()
    heavy = context.get_current()
    for key in ("a", "b", "c"):
        heavy = baggage.set_baggage(key, key * 4000, heavy)
    token = context.attach(heavy)
    for _ in range(2):
        wire.blocking.basic_publish("", "q", b"")
    context.detach(token)
    headers = wire.published[0].headers
    assert headers["baggage"] == f"a={'a' * 4000},b={'b' * 4000}"
    assert sum(len(headers[name]) for name in ("traceparent", "baggage")) <= 8192
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "could not pass all baggage on" in caplog.text


def test_baggage_that_cannot_be_written_costs_itself_alone(traced: Trace) -> None:
    """A value without a text does not cost the message its trace."""

    class Mute:
        def __str__(self) -> str:
            raise ValueError

    wire = traced()
    token = context.attach(baggage.set_baggage("mute", Mute()))
    wire.blocking.basic_publish("", "q", b"")
    context.detach(token)
    assert wire.published[0].headers.keys() == {"traceparent", "voxtrace-enqueued-at"}


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, []),
        ({"traceparent": 7}, [("traceparent", "type")]),
        ({"traceparent": "00-0"}, [("traceparent", "syntax")]),
        ({"traceparent": "0" * 9000}, [("traceparent", "size")]),
        ({"tracestate": [1]}, [("tracestate", "type")]),
        ({"tracestate": "=,"}, [("tracestate", "syntax")]),
        ({"baggage": b"\xff"}, [("baggage", "type")]),
        ({"baggage": "a=1,b"}, [("baggage", "syntax")]),
        ({"tracestate": "a=" + "b" * 200, "baggage": "c=" + "d" * 8000}, [("baggage", "size")]),
    ],
)
def test_refused_headers_are_counted(
    traced: Trace, seen: Seen, clock: Clock, headers: dict[str, Any], refused: list[tuple[str, str]]
) -> None:
    """A metric says which header was not believed and why; good headers make no point of it."""
    wire = traced()
    consume(wire)
    wire.deliver(sent(clock, **headers))
    points = seen.metrics().get("voxtrace.messaging.refused_headers", [])
    assert points == [
        ({"voxtrace.messaging.header.name": name, "voxtrace.messaging.refusal.reason": reason}, 1)
        for name, reason in refused
    ]


def test_an_excluded_queue_is_left_alone(traced: Trace, seen: Seen, clock: Clock) -> None:
    """Neither its consumers nor publishes to it by name are touched; other queues are traced."""
    wire = traced(excluded_queues=["health.*"])
    ran: list[object] = []
    properties = sent(clock)
    consume(wire, lambda *_: ran.append(trace.get_current_span()), queue="health.check")
    wire.deliver(properties)
    wire.blocking.basic_publish("", "health.check", b"", properties)
    assert ran == [trace.INVALID_SPAN]
    assert wire.published[0] is properties
    assert (seen.spans(), seen.metrics()) == ([], {})
    wire.blocking.basic_publish("speech", "health.check", b"")
    assert [span["name"] for span in seen.spans()] == ["publish speech:health.check"]


@pytest.mark.parametrize(("glob", "exchange"), [("audit*", "audit.log"), ("amq.default", "")])
def test_an_excluded_exchange_is_left_alone(
    traced: Trace, seen: Seen, clock: Clock, glob: str, exchange: str
) -> None:
    """Neither publishes to it nor deliveries by it are touched; the nameless one has a name here."""
    wire = traced(excluded_exchanges=[glob])
    ran: list[object] = []
    consume(wire, lambda *_: ran.append(trace.get_current_span()))
    wire.deliver(sent(clock), exchange=exchange)
    wire.blocking.basic_publish(exchange, "transcribe", b"", sent(clock))
    assert ran == [trace.INVALID_SPAN]
    assert (seen.spans(), seen.metrics()) == ([], {})
    wire.deliver(sent(clock))
    assert [span["name"] for span in seen.spans()] == ["wait transcribe", "process speech:transcribe"]


def test_filters_match_whole_names(traced: Trace, seen: Seen) -> None:
    """A glob is no prefix and no regular expression, and cares about case."""
    wire = traced(excluded_queues=["health", "a.b"])
    for queue in ("health2", "Health", "axb"):
        wire.blocking.basic_publish("", queue, b"")
    assert len(seen.spans()) == 3
