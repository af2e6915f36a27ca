"""What the broker says of a publish later shows on its span, and is heard of by the user as before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import context
from pika.exceptions import ChannelClosedByBroker, StreamLostError, UnroutableError
from pika.spec import Basic

from unit.otel.messaging.conftest import Wire
from voxtrace.messaging import PikaInstrumentor
from voxtrace.messaging.publication import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import TracerProvider
    from pika.channel import Channel

    from unit.otel.messaging.conftest import Clock, Seen


def outcomes(seen: Seen) -> list[tuple[Any, ...]]:
    """Per publish that is over: its span id, when it ended, its status and error type."""
    return [
        (span["span"], span["to"], span["status"], span["attributes"].get("error.type"))
        for span in seen.spans()
        if span["kind"] == "PRODUCER"
    ]


@pytest.fixture
def answers(wire: Wire) -> list[str]:
    """What the user's callback was told, on a channel in confirm mode."""
    answers: list[str] = []
    wire.channel.confirm_delivery(lambda frame: answers.append(frame.method.NAME))
    return answers


def publish(channel: Channel, number: int, **options: Any) -> None:
    """Publish a few messages."""
    for _ in range(number):
        channel.basic_publish("speech", "transcribe", b"body", **options)


def test_a_publish_lasts_until_its_confirm(wire: Wire, seen: Seen, clock: Clock, answers: list[str]) -> None:
    """On a channel in confirm mode a publish ends when the broker has the message, and is counted then."""
    publish(wire.channel, 2)
    assert (outcomes(seen), seen.metrics()) == ([], {})
    clock.advance(1)
    wire.answer(Basic.Ack(1))
    clock.advance(1)
    wire.answer(Basic.Ack(2))
    assert outcomes(seen) == [(1, 1.0, "UNSET", None), (2, 2.0, "UNSET", None)]
    assert seen.metrics()["messaging.client.sent.messages"][0][1] == 2
    assert seen.metrics()["messaging.client.operation.duration"][0][1] == 3.0
    assert answers == ["Basic.Ack", "Basic.Ack"]


@pytest.mark.parametrize(("tag", "ended"), [(2, [1, 2]), (0, [1, 2, 3])])
def test_a_multiple_confirm_ends_all_up_to_its_tag(
    wire: Wire, seen: Seen, answers: list[str], tag: int, ended: list[int]
) -> None:
    """One confirm may speak for many messages; 0 speaks for all."""
    publish(wire.channel, 3)
    wire.answer(Basic.Ack(tag, multiple=True))
    assert [outcome[0] for outcome in outcomes(seen)] == ended


def test_a_refused_message_is_an_error(wire: Wire, seen: Seen, answers: list[str]) -> None:
    """A message that the broker could not take failed, and is counted as failed."""
    publish(wire.channel, 1)
    wire.answer(Basic.Nack(1))
    assert outcomes(seen) == [(1, 0.0, "ERROR", "amqp:nack")]
    ((dimensions, number),) = seen.metrics()["messaging.client.sent.messages"]
    assert (dimensions["error.type"], number) == ("amqp:nack", 1)
    assert answers == ["Basic.Nack"]


@pytest.mark.parametrize(
    ("reply_code", "error_type"), [(312, "amqp:no-route"), (313, "amqp:no-consumers"), (404, "amqp:404")]
)
def test_a_returned_message_is_an_error(
    wire: Wire, seen: Seen, answers: list[str], reply_code: int, error_type: str
) -> None:
    """Of two mandatory messages the one that came back failed; its confirm, which follows, ends it."""
    publish(wire.channel, 2, mandatory=True)
    wire.send_back(1, reply_code)
    assert outcomes(seen) == []
    wire.answer(Basic.Ack(2, multiple=True))
    assert outcomes(seen) == [(1, 0.0, "UNSET", None), (2, 0.0, "ERROR", error_type)]
    assert "secret" not in "".join(span.to_json() for span in seen.raw)


def test_returns_are_told_apart_without_headers(
    wire: Wire, seen: Seen, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no trace context is written, the exchange and routing key tell which message came back."""
    monkeypatch.setattr("voxtrace.messaging.publication.inject", lambda headers, *_args, **_options: headers)
    wire.channel.basic_publish("speech", "other", b"", mandatory=True)
    publish(wire.channel, 1, mandatory=True)
    wire.send_back(1)
    wire.answer(Basic.Ack(2, multiple=True))
    assert [outcome[2] for outcome in outcomes(seen)] == ["UNSET", "ERROR"]


@pytest.mark.parametrize(
    ("routing_key", "later", "sent_back", "statuses"),
    [
        ("nowhere", 0, [1], ["UNSET", "ERROR"]),
        ("transcribe", 1, [1], ["UNSET", "ERROR"]),
        ("transcribe", 0, [0, 1], ["ERROR", "ERROR"]),
    ],
    ids=["destination", "time", "order"],
)
def test_returns_of_one_message_published_twice_are_told_apart(
    *,
    wire: Wire,
    seen: Seen,
    clock: Clock,
    answers: list[str],
    routing_key: str,
    later: int,
    sent_back: list[int],
    statuses: list[str],
) -> None:
    """Both carry one creation context; the destination, the time of enqueueing and the order tell which."""
    again = pika.BasicProperties(headers={"traceparent": f"00-{9:032x}-{8:016x}-01"})
    publish(wire.channel, 1, mandatory=True, properties=again)
    clock.advance(later)
    wire.channel.basic_publish("speech", routing_key, b"", again, mandatory=True)
    for number in sent_back:
        wire.send_back(number)
    wire.answer(Basic.Ack(2, multiple=True))
    assert [outcome[2] for outcome in outcomes(seen)] == statuses


@pytest.mark.parametrize("blocking", [True, False])
def test_returns_are_counted(wire: Wire, seen: Seen, blocking: bool) -> None:
    """Without confirms the publish is over when its message comes back: that is counted."""
    publish(wire.blocking if blocking else wire.channel, 2, mandatory=True)
    assert [outcome[2] for outcome in outcomes(seen)] == ["UNSET", "UNSET"]
    wire.send_back(0)
    ((dimensions, number),) = seen.metrics()["voxtrace.messaging.returned.messages"]
    assert number == 1
    assert dimensions == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.destination.name": "speech:transcribe",
        "server.address": "broker.test",
        "server.port": 5672,
        "error.type": "amqp:no-route",
    }


def test_the_user_gets_what_came_back(wire: Wire) -> None:
    """Our callback for returned messages takes no other's place."""
    returned: list[Any] = []
    wire.channel.add_on_return_callback(lambda *args: returned.append(args))
    publish(wire.channel, 1, mandatory=True)
    wire.send_back(0)
    ((channel, method, properties, body),) = returned
    assert (channel, method.reply_code, properties, body) == (wire.channel, 312, wire.published[0], b"body")


def test_a_closed_channel_answers_nothing_more(wire: Wire, seen: Seen, answers: list[str]) -> None:
    """What was unconfirmed when the channel closed may be lost: its publishes failed."""
    publish(wire.channel, 2)
    wire.close(ChannelClosedByBroker(404, "no exchange"))
    assert outcomes(seen) == [(number, 0.0, "ERROR", "ChannelClosedByBroker") for number in (1, 2)]


def test_messages_before_confirm_mode_have_no_number(wire: Wire, seen: Seen) -> None:
    """A publish sent before the broker was asked for confirms ends at once, and shifts no number."""
    publish(wire.channel, 1)
    assert len(outcomes(seen)) == 1
    wire.channel.queue_declare("transcribe", callback=lambda _: None)
    wire.channel.confirm_delivery(lambda _: None)
    publish(wire.channel, 1)
    assert len(outcomes(seen)) == 2, "the request for confirms waits behind the declaration"
    wire.channel._on_synchronous_complete(None)
    publish(wire.channel, 1)
    assert len(outcomes(seen)) == 2
    wire.answer(Basic.Ack(1))
    assert [outcome[0] for outcome in outcomes(seen)] == [1, 2, 3]


def test_untraced_messages_are_numbered_too(wire: Wire, seen: Seen, answers: list[str]) -> None:
    """The broker numbers every message, so that one sent under suppression is counted in."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    try:
        publish(wire.channel, 1)
    finally:
        context.detach(token)
    publish(wire.channel, 1)
    wire.answer(Basic.Nack(2))
    wire.answer(Basic.Ack(1))
    assert outcomes(seen) == [(1, 0.0, "ERROR", "amqp:nack")]


@pytest.mark.parametrize("suppress", [True, False])
def test_a_publish_that_pika_refused_has_no_number(
    wire: Wire, seen: Seen, answers: list[str], suppress: bool
) -> None:
    """A message that never went out is not waited for."""
    wire.failure = StreamLostError("gone")
    token = context.attach(context.set_value("suppress_instrumentation", suppress))
    with pytest.raises(StreamLostError):
        publish(wire.channel, 1)
    context.detach(token)
    wire.failure = None
    seen.exporter.clear()
    publish(wire.channel, 1)
    wire.answer(Basic.Ack(1))
    assert len(outcomes(seen)) == 1


def test_a_blocking_channel_waits_for_its_confirm_itself(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor
) -> None:
    """There a message that comes back raises, and the exception names the error."""

    def flush(*_waiters: Callable[[], bool]) -> None:
        if wire.published:
            wire.send_back(0)
            wire.answer(Basic.Ack(1))
        else:
            wire.answer(pika.spec.Confirm.SelectOk())

    wire._flush_output = flush
    wire.blocking.confirm_delivery()
    with pytest.raises(UnroutableError):
        wire.blocking.basic_publish("speech", "transcribe", b"body")
    assert outcomes(seen) == [(1, 0.0, "ERROR", "UnroutableError")]
    assert len(instrumented._instrumentation.confirms._channels) == 0, "nothing is followed that needs not be"


def test_answers_after_uninstrumenting_reach_the_user_alone(
    wire: Wire, seen: Seen, answers: list[str], instrumented: PikaInstrumentor
) -> None:
    """An open publish ends when pika is put back, and its confirm and return harm nothing afterwards."""
    publish(wire.channel, 1, mandatory=True)
    instrumented.uninstrument()
    assert outcomes(seen) == [(1, 0.0, "UNSET", None)]
    wire.send_back(0)
    wire.answer(Basic.Ack(1))
    assert answers == ["Basic.Ack"]
    assert "voxtrace.messaging.returned.messages" not in seen.metrics()


def test_hostile_answers_harm_nothing(wire: Wire, seen: Seen, answers: list[str]) -> None:
    """Unknown tags, tags twice and strange headers are the user's matter alone."""
    publish(wire.channel, 1, mandatory=True, properties=pika.BasicProperties(headers={"traceparent": 7}))
    for answer in (Basic.Ack(9), Basic.Nack(1), Basic.Ack(1), Basic.Ack(0)):
        wire.answer(answer)
    returned = pika.spec.Basic.Return(312, "", 7, None)
    wire.channel._on_return(*_frames(returned, pika.BasicProperties(headers={"traceparent": [1]})), b"")
    assert outcomes(seen) == [(1, 0.0, "ERROR", "amqp:nack")]
    assert len(answers) == 4


def _frames(method: Any, properties: Any) -> tuple[Any, Any]:
    return (
        type("Method", (), {"method": method})(),
        type("Header", (), {"properties": properties})(),
    )


def test_one_channel_alone_is_followed(clock: Clock, seen: Seen, provider: TracerProvider) -> None:
    """Confirms of a channel traced by itself are seen as well, and end with its tracing."""
    wire = Wire()
    PikaInstrumentor.instrument_channel(wire.channel, tracer_provider=provider)
    wire.channel.confirm_delivery(lambda _: None)
    publish(wire.channel, 2)
    wire.answer(Basic.Ack(2))
    assert [outcome[0] for outcome in outcomes(seen)] == [2]
    PikaInstrumentor.uninstrument_channel(wire.channel)
    assert [outcome[0] for outcome in outcomes(seen)] == [2, 1]


def test_a_first_message_that_is_never_sent_ends_with_its_channel(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor
) -> None:
    """A loop that dies before it comes to the channel's first publish leaves no span open."""
    confirms = instrumented._instrumentation.confirms
    publication = begin(instrumented._instrumentation.telemetry, wire.channel, "speech", "transcribe", None)
    publication.mark(deferred=True)
    confirms.opening(lambda _connection: wire.channel)(None)
    confirms.hand_over(SimpleNamespace(_channel=wire.channel), publication)
    wire.close(StreamLostError("gone"))
    assert outcomes(seen) == [(1, 0.0, "ERROR", "StreamLostError")]


def test_what_nobody_sends_any_more_is_an_error(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor
) -> None:
    """A message handed to another thread ends with its channel, also where that was closed before."""
    confirms = instrumented._instrumentation.confirms
    channel = SimpleNamespace(_channel=wire.channel, is_closed=False)
    begun = [
        begin(instrumented._instrumentation.telemetry, wire.channel, "speech", "transcribe", None)
        for _ in range(3)
    ]
    for publication in begun:
        publication.mark(deferred=True)
        confirms.hand_over(channel, publication)
        confirms.handed_over(channel, publication)
    assert confirms.take_over(wire.channel, begun[0]) is begun[0]
    assert confirms.take_over(wire.channel, begun[0]) is None, "it is taken over once"
    begun[0].finish()
    begun[0].finish()
    wire.close(StreamLostError("gone"))
    channel.is_closed = True
    late = begin(instrumented._instrumentation.telemetry, wire.channel, "speech", "transcribe", None)
    late.mark(deferred=True)
    confirms.hand_over(channel, late)
    confirms.handed_over(channel, late)
    assert sorted(outcomes(seen)) == [
        (1, 0.0, "UNSET", None),
        (2, 0.0, "ERROR", "StreamLostError"),
        (3, 0.0, "ERROR", "StreamLostError"),
        (4, 0.0, "ERROR", "channel_closed"),
    ]
    assert sum(number for _, number in seen.metrics()["messaging.client.sent.messages"]) == 4
