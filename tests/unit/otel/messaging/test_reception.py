"""Messages that are asked for: a step of `consume()` is a process span, a `basic_get` a receive span."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace
from pika.exceptions import ChannelClosedByBroker

from voxtrace.messaging import PikaInstrumentor
from voxtrace.testing import InMemoryBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import TracerProvider
    from pika.adapters.blocking_connection import BlockingChannel

    from unit.otel.messaging.conftest import Clock, Seen, Wire

TRACEPARENT = f"00-{9:032x}-{8:016x}-01"
RECEIVE = "receive transcribe"
PROCESS = "process transcribe"


@pytest.fixture
def channel(instrumented: PikaInstrumentor) -> Iterator[BlockingChannel]:
    """A traced channel with a queue."""
    broker = InMemoryBroker()
    channel = broker.channel()
    channel.queue_declare("transcribe")
    yield channel
    if channel.is_open:
        channel.connection.close()


@pytest.fixture
def publish(channel: BlockingChannel) -> Any:
    """Puts messages of somebody else's into the queue."""

    def publish(number: int = 1, **headers: Any) -> None:
        token = context.attach(context.set_value("suppress_instrumentation", True))
        for _ in range(number):
            properties = pika.BasicProperties(headers={"traceparent": TRACEPARENT, **headers})
            channel.basic_publish("", "transcribe", b"body", properties)
        context.detach(token)

    return publish


def current() -> int:
    """The span that is current."""
    return trace.get_current_span().get_span_context().span_id


def test_a_get_is_a_receive_span(channel: BlockingChannel, publish: Any, seen: Seen, clock: Clock) -> None:
    """The call that got a message is a CLIENT span in the message's trace; it is over when the call is."""
    publish()
    method, _, body = channel.basic_get("transcribe")
    clock.advance(5)
    assert body == b"body"
    assert seen.spans() == [
        {
            "name": RECEIVE,
            "kind": "CLIENT",
            "trace": 9,
            "span": 1,
            "parent": 8,
            "links": [8],
            "from": 0.0,
            "to": 0.0,
            "status": "UNSET",
            "attributes": {
                "messaging.system": "rabbitmq",
                "messaging.operation.name": "receive",
                "messaging.operation.type": "receive",
                "messaging.destination.name": "transcribe",
                "messaging.rabbitmq.destination.routing_key": "transcribe",
                "messaging.rabbitmq.message.delivery_tag": method.delivery_tag,
                "server.address": "in-memory",
                "server.port": 5672,
                "voxtrace.messaging.queue.name": "transcribe",
                "voxtrace.messaging.redelivered": False,
                "voxtrace.messaging.delivery.attempt": 1,
            },
            "events": [],
        }
    ]
    metrics = seen.metrics()
    assert [value for _, value in metrics["messaging.client.consumed.messages"]] == [1]
    ((dimensions, _),) = metrics["messaging.client.operation.duration"]
    assert dimensions["messaging.operation.name"] == "receive"
    assert "messaging.process.duration" not in metrics


def test_an_empty_get_is_no_span(channel: BlockingChannel, seen: Seen) -> None:
    """Where there was no message nothing was received."""
    assert channel.basic_get("transcribe") == (None, None, None)
    assert (seen.spans(), seen.metrics()) == ([], {})


def test_the_settlement_of_a_got_message_is_seen(channel: BlockingChannel, publish: Any, seen: Seen) -> None:
    """A message that was got and refused has its refusal below the receive span, an error and measured."""
    publish()
    method, _, _ = channel.basic_get("transcribe")
    channel.basic_nack(method.delivery_tag, requeue=False)
    span = seen.named("nack transcribe")
    assert (span["kind"], span["trace"], span["parent"]) == ("CLIENT", 9, 1)
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "rejected")
    assert len(seen.spans()) == 2
    measured = [attributes for attributes, _ in seen.metrics()["messaging.client.operation.duration"]]
    assert [point.get("error.type") for point in measured] == [None, "rejected"]


@pytest.mark.parametrize("auto_ack", [True, False])
def test_a_got_message_is_unsettled_until_it_is_settled(
    channel: BlockingChannel, publish: Any, instrumented: PikaInstrumentor, auto_ack: bool
) -> None:
    """With auto_ack there is nothing to settle, and nothing is kept."""
    publish()
    channel.basic_get("transcribe", auto_ack)
    assert len(instrumented._instrumentation.ledger.deliveries()) == (0 if auto_ack else 1)


@pytest.mark.parametrize("positional", [True, False])
def test_a_get_with_a_callback_is_a_receive_span(
    wire: Wire, seen: Seen, clock: Clock, positional: bool
) -> None:
    """On a callback channel the span lasts until the message is there, and the callback runs in its trace."""
    ran: list[int] = []

    def on_message(_channel: Any, _method: Any, _properties: Any, _body: Any) -> None:
        ran.append(current())
        clock.advance(1)

    if positional:
        wire.channel.basic_get("transcribe", on_message, True)
    else:
        wire.channel.basic_get(queue="transcribe", callback=on_message, auto_ack=True)
    clock.advance(2)
    method = pika.spec.Basic.GetOk(1, False, "", "transcribe", 0)
    wire.arrive(method, pika.BasicProperties(headers={"traceparent": TRACEPARENT}))
    span = seen.named(RECEIVE)
    assert (span["trace"], span["parent"], span["from"], span["to"]) == (9, 8, 0.0, 2.0)
    assert (ran, current()) == ([1], 0)


def test_a_step_is_a_process_span(channel: BlockingChannel, publish: Any, seen: Seen, clock: Clock) -> None:
    """The body of the loop is the processing; the span ends with it where the message is settled."""
    publish(2)
    bodies: list[tuple[int, bytes]] = []
    for method, _, body in channel.consume("transcribe"):
        bodies.append((current(), body))
        clock.advance(1)
        channel.basic_ack(method.delivery_tag)
        clock.advance(1)
        if len(bodies) == 2:
            break
    assert (bodies, current()) == ([(1, b"body"), (2, b"body")], 0)
    assert [
        (span["name"], span["kind"], span["trace"], span["parent"], span["links"], span["from"], span["to"])
        for span in seen.spans()
    ] == [(PROCESS, "CONSUMER", 9, 8, [8], 0.0, 2.0), (PROCESS, "CONSUMER", 9, 8, [8], 2.0, 4.0)]
    assert {span["attributes"]["voxtrace.messaging.settlement"] for span in seen.spans()} == {"ack"}


def test_the_loop_gets_its_context_back(channel: BlockingChannel, publish: Any) -> None:
    """At an idle tick, after a break and after the end of the loop the context is the one from before."""
    publish(baggage="job=7")
    token = context.attach(baggage.set_baggage("ambient", "1"))
    seen: list[tuple[int, Any]] = []
    before = context.get_current()
    messages = channel.consume("transcribe", auto_ack=True, inactivity_timeout=0.01)
    for method, _, _ in messages:
        seen.append((current(), dict(baggage.get_all())))
        if method is None:
            assert context.get_current() is before
            break
    assert context.get_current() is before
    assert seen == [(1, {"ambient": "1", "job": "7"}), (0, {"ambient": "1"})]
    context.detach(token)


@pytest.mark.parametrize("end", ["close", "cancel", "next", "again", "delete"])
def test_a_kept_generator_gives_the_context_back_at_its_end(
    channel: BlockingChannel, publish: Any, seen: Seen, end: str
) -> None:
    """Broken out of and still held, a generator lets go of the message when it, or the consuming, ends."""
    publish(2)
    messages = channel.consume("transcribe", inactivity_timeout=0.01)
    method, _, _ = next(messages)
    channel.basic_ack(method.delivery_tag)
    assert (current(), seen.spans()) == (1, [])
    if end == "close":
        messages.close()
    elif end == "cancel":
        channel.cancel()
    elif end == "delete":
        del messages
    else:
        later = messages if end == "next" else channel.consume("transcribe", inactivity_timeout=0.01)
        next(later)
        assert current() == 2
        channel.cancel()
    assert (current(), len(seen.spans())) == (0, 1)


def test_an_exception_of_the_body_leaves_no_context(
    channel: BlockingChannel, publish: Any, seen: Seen
) -> None:
    """The body's exception is not the loop's to see: the message stays unsettled and its span open."""
    publish()

    def loop() -> None:
        for _ in channel.consume("transcribe"):
            raise LookupError

    with pytest.raises(LookupError):
        loop()
    assert (current(), seen.spans()) == (0, [])
    channel.connection.close()
    assert seen.named(PROCESS)["attributes"]["voxtrace.messaging.settlement"] == "channel_closed"


def test_an_exception_thrown_in_is_the_messages(channel: BlockingChannel, publish: Any, seen: Seen) -> None:
    """Who throws into the generator says that the processing failed."""
    publish()
    messages = channel.consume("transcribe")
    next(messages)
    with pytest.raises(LookupError):
        messages.throw(LookupError())
    span = seen.named(PROCESS)
    assert (span["status"], span["attributes"]["error.type"], current()) == ("ERROR", "LookupError", 0)


def test_a_message_settled_later_ends_its_span_then(
    channel: BlockingChannel, publish: Any, seen: Seen, clock: Clock
) -> None:
    """A message that the loop has left behind is still being worked on until it is settled."""
    publish(2)
    messages = channel.consume("transcribe", inactivity_timeout=0.01)
    first, _, _ = next(messages)
    second, _, _ = next(messages)
    assert seen.spans() == []
    clock.advance(3)
    channel.basic_ack(first.delivery_tag)
    assert [(span["span"], span["to"]) for span in seen.spans()] == [(1, 3.0)]
    channel.basic_ack(second.delivery_tag)
    messages.close()
    assert [span["span"] for span in seen.spans()] == [1, 2]


def test_a_generator_may_move_to_another_thread(
    channel: BlockingChannel, publish: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Stepped or closed elsewhere, it disturbs no context there and complains of nothing."""
    publish()
    messages = channel.consume("transcribe")
    next(messages)
    mine = context.get_current()
    theirs: list[Any] = []

    def close() -> None:
        before = context.get_current()
        messages.close()
        theirs.append(context.get_current() is before)

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    assert (theirs, context.get_current() is mine, caplog.records) == ([True], True, [])
    context.attach(context.Context())


def test_a_lost_channel_ends_the_loop_as_before(channel: BlockingChannel, publish: Any, seen: Seen) -> None:
    """The loop is over with its channel, and so is the message of its last step."""
    publish()
    messages = channel.consume("transcribe")
    next(messages)
    channel._impl._on_close_meta(ChannelClosedByBroker(406, "timeout"))
    assert next(messages, "over") == "over"
    span = seen.named(PROCESS)
    assert (span["status"], current()) == ("ERROR", 0)


def test_wrong_arguments_raise_as_before(channel: BlockingChannel) -> None:
    """What pika refuses it still refuses, and when: at the first step."""
    messages = channel.consume(7)
    with pytest.raises(TypeError):
        next(messages)
    with pytest.raises(TypeError):
        channel.basic_get(7)


def test_after_uninstrumenting_the_loop_goes_on_untraced(
    channel: BlockingChannel, publish: Any, seen: Seen, instrumented: PikaInstrumentor
) -> None:
    """Putting pika back ends the step that the loop is at; later messages arrive without."""
    publish(2)
    messages = channel.consume("transcribe", auto_ack=True)
    next(messages)
    instrumented.uninstrument()
    assert (current(), len(seen.spans())) == (0, 1)
    assert next(messages)[2] == b"body"
    assert (current(), len(seen.spans())) == (0, 1)


def test_uninstrumenting_in_another_thread_gives_the_loop_its_context_back(
    channel: BlockingChannel, publish: Any, seen: Seen, instrumented: PikaInstrumentor
) -> None:
    """The step ends at once; the thread that it is in leaves the message's context with its next step."""
    publish(2)
    before = context.get_current()
    messages = channel.consume("transcribe", auto_ack=True)
    next(messages)
    thread = threading.Thread(target=instrumented.uninstrument)
    thread.start()
    thread.join()
    assert len(seen.spans()) == 1
    next(messages)
    assert context.get_current() is before


def test_a_broken_ledger_costs_the_span_alone(
    channel: BlockingChannel, publish: Any, seen: Seen, instrumented: PikaInstrumentor, monkeypatch: Any
) -> None:
    """If tracing fails, messages are got and stepped through as without it."""
    monkeypatch.setattr(instrumented._instrumentation.telemetry.tracer, "start_span", None)
    publish(2)
    assert channel.basic_get("transcribe", auto_ack=True)[2] == b"body"
    assert next(channel.consume("transcribe", auto_ack=True))[2] == b"body"
    assert seen.spans() == []


def test_one_channel_alone_is_asked(clock: Clock, seen: Seen, provider: TracerProvider) -> None:
    """A channel traced by itself traces what it is asked for, and is put back."""
    channel = InMemoryBroker().channel()
    channel.queue_declare("transcribe")
    before = dict(vars(channel))
    PikaInstrumentor.instrument_channel(channel, tracer_provider=provider)
    for _ in range(2):
        channel.basic_publish("", "transcribe", b"body")
    channel.basic_get("transcribe", auto_ack=True)
    next(channel.consume("transcribe", auto_ack=True))
    channel.cancel()
    assert [span["name"] for span in seen.spans() if span["kind"] in {"CLIENT", "CONSUMER"}] == [
        RECEIVE,
        PROCESS,
    ]
    PikaInstrumentor.uninstrument_channel(channel)
    assert vars(channel).keys() == before.keys()
    channel.connection.close()
