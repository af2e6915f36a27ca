"""A process span lives until its message is settled, wherever that happens."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import context
from pika.exceptions import (
    AMQPHeartbeatTimeout,
    ChannelClosedByBroker,
    ChannelClosedByClient,
    ConnectionClosedByBroker,
    ConnectionClosedByClient,
    StreamLostError,
)

from unit.otel.messaging.conftest import CREATION
from unit.otel.messaging.conftest import Wire as AWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.otel.messaging.conftest import Clock, Seen, Wire
    from voxtrace.messaging import PikaInstrumentor

PROCESS = "process speech:transcribe"


def consume(wire: Wire, *tags: int) -> None:
    """Deliver messages to a consumer that leaves them unsettled."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
    for tag in tags:
        wire.deliver(delivery_tag=tag)


def outcomes(seen: Seen) -> list[tuple[Any, ...]]:
    """Per process span: delivery tag, settlement, status, error type."""
    return [
        (
            span["attributes"]["messaging.rabbitmq.message.delivery_tag"],
            span["attributes"].get("voxtrace.messaging.settlement"),
            span["status"],
            span["attributes"].get("error.type"),
        )
        for span in seen.spans()
        if span["kind"] == "CONSUMER"
    ]


@pytest.mark.parametrize(
    ("settle", "expected"),
    [
        (lambda channel: channel.basic_ack(1), (1, "ack", "UNSET", None)),
        (lambda channel: channel.basic_ack(delivery_tag=1), (1, "ack", "UNSET", None)),
        (lambda channel: channel.basic_nack(1), (1, "requeue", "UNSET", None)),
        (lambda channel: channel.basic_nack(1, requeue=False), (1, "nack", "ERROR", "rejected")),
        (lambda channel: channel.basic_reject(1), (1, "requeue", "ERROR", "rejected")),
        (lambda channel: channel.basic_reject(1, requeue=False), (1, "reject", "ERROR", "rejected")),
    ],
)
def test_each_settlement_shows(
    wire: Wire, seen: Seen, settle: Callable[[Any], None], expected: tuple[Any, ...]
) -> None:
    """Refusing a message is an error; putting it back by nack says "not now" and is none."""
    consume(wire, 1)
    assert seen.spans() == []
    settle(wire.blocking)
    assert outcomes(seen) == [expected]


def test_a_failed_message_is_measured_as_failed(wire: Wire, seen: Seen) -> None:
    """The duration of a refused message carries its error type."""
    consume(wire, 1)
    wire.blocking.basic_reject(1, requeue=False)
    ((attributes, _),) = seen.metrics()["messaging.process.duration"]
    assert attributes["error.type"] == "rejected"


def test_multiple_settles_all_up_to_the_tag(wire: Wire, seen: Seen) -> None:
    """A multiple ack ends the spans of all earlier messages and of no later one."""
    consume(wire, 1, 2, 3)
    wire.blocking.basic_ack(2, multiple=True)
    assert [tag for tag, *_ in outcomes(seen)] == [1, 2]


def test_tag_zero_settles_all(wire: Wire, seen: Seen) -> None:
    """A multiple nack of tag 0 ends the span of every unsettled message."""
    consume(wire, 1, 2, 3)
    wire.blocking.basic_nack(0, multiple=True, requeue=False)
    assert outcomes(seen) == [(tag, "nack", "ERROR", "rejected") for tag in (1, 2, 3)]


def test_a_settlement_of_something_else_changes_nothing(wire: Wire, seen: Seen) -> None:
    """Unknown tags and second acks are pika's matter."""
    consume(wire, 1)
    wire.blocking.basic_ack(7)
    wire.blocking.basic_ack(1)
    wire.blocking.basic_ack(1)
    assert outcomes(seen) == [(1, "ack", "UNSET", None)]
    assert len(wire.sent) == 4


def test_channels_do_not_settle_each_others_messages(wire: Wire, seen: Seen) -> None:
    """Delivery tags count per channel."""
    other = wire.new_channel(2)
    consume(wire, 1)
    other.basic_ack(1)
    assert seen.spans() == []
    wire.blocking.basic_ack(1)
    assert outcomes(seen) == [(1, "ack", "UNSET", None)]


def test_a_settlement_that_pika_refuses_settles_nothing(wire: Wire, seen: Seen) -> None:
    """An ack that did not go out leaves the message to the closing of the channel."""
    consume(wire, 1)
    wire.failure = StreamLostError("gone")
    with pytest.raises(StreamLostError):
        wire.blocking.basic_ack(1)
    assert outcomes(seen) == []
    wire.close(wire.failure)
    assert outcomes(seen) == [(1, "channel_closed", "ERROR", "StreamLostError")]


LOST = [
    ("ack", lambda channel: channel.basic_ack(1)),
    ("nack", lambda channel: channel.basic_nack(delivery_tag=1)),
    ("reject", lambda channel: channel.basic_reject(1, requeue=False)),
]


@pytest.mark.parametrize(("operation", "settle"), LOST, ids=[name for name, _ in LOST])
def test_a_settlement_that_is_lost_in_the_buffer_is_none(
    wire: Wire, seen: Seen, operation: str, settle: Callable[[Any], None]
) -> None:
    """Where the connection breaks while it is flushed the message is lost, and known if it comes again."""
    message = pika.BasicProperties(headers={"traceparent": CREATION})
    wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
    wire.deliver(message)

    def flush(*_waiters: object) -> None:
        lost = StreamLostError("gone")
        wire.close(lost)
        raise lost

    wire._flush_output = flush
    with pytest.raises(StreamLostError):
        settle(wire.blocking)
    assert outcomes(seen) == [(1, "channel_closed", "ERROR", "StreamLostError")]
    failed = seen.named(f"{operation} speech:transcribe")
    assert (failed["status"], failed["attributes"]["error.type"]) == ("ERROR", "StreamLostError")
    again = AWire()
    again.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    again.deliver(message, redelivered=True)
    first, second = [span for span in seen.spans() if span["kind"] == "CONSUMER"]
    assert second["links"] == [8, first["span"]]


def test_what_another_thread_raises_into_an_ack_does_not_undo_it(wire: Wire, seen: Seen) -> None:
    """Flushing runs what was handed to the connection: its exception comes out of an ack that went out."""
    consume(wire, 1)

    def flush(*_waiters: object) -> None:
        raise LookupError

    wire._flush_output = flush
    with pytest.raises(LookupError):
        wire.blocking.basic_ack(1)
    assert outcomes(seen) == [(1, "ack", "UNSET", None)]


TIMED_OUT = (
    "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. "
    "Timeout value used: 1800000 ms. This timeout value can be configured"
)


@pytest.mark.parametrize(
    ("reason", "error_type"),
    [
        (ChannelClosedByBroker(406, TIMED_OUT), "consumer_timeout"),
        (ChannelClosedByBroker(406, "PRECONDITION_FAILED - unknown delivery tag 9"), "ChannelClosedByBroker"),
        (ChannelClosedByBroker(404, TIMED_OUT), "ChannelClosedByBroker"),
        (ChannelClosedByClient(200, "bye"), "ChannelClosedByClient"),
        (ConnectionClosedByClient(200, "bye"), "ConnectionClosedByClient"),
        (ConnectionClosedByBroker(320, "CONNECTION_FORCED"), "ConnectionClosedByBroker"),
        (AMQPHeartbeatTimeout("no activity"), "AMQPHeartbeatTimeout"),
        (StreamLostError("reset"), "StreamLostError"),
    ],
)
def test_a_lost_channel_ends_every_span(wire: Wire, seen: Seen, reason: Exception, error_type: str) -> None:
    """What was unsettled when the channel closed failed for the channel's reason, and each has its name."""
    consume(wire, 1, 2)
    wire.close(reason)
    assert outcomes(seen) == [(tag, "channel_closed", "ERROR", error_type) for tag in (1, 2)]


def test_a_message_that_outlived_its_channel_is_lost_with_it(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor
) -> None:
    """Pika hands over what it had of a closed channel: its span ends as the others do, and is known."""

    def work(_channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        if method.delivery_tag == 1:
            wire.close(StreamLostError("gone"))

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    message = pika.BasicProperties(headers={"traceparent": CREATION})
    for tag in (1, 2):
        wire.deliver(message, delivery_tag=tag, dispatch=False)
    wire.blocking._dispatch_events()
    assert outcomes(seen) == [(tag, "channel_closed", "ERROR", "StreamLostError") for tag in (1, 2)]
    assert instrumented._instrumentation.ledger.deliveries() == []
    again = AWire()
    again.blocking.basic_consume("transcribe", lambda *_: None, auto_ack=True, consumer_tag="consumer")
    again.deliver(message, redelivered=True)
    first, second, third = [span for span in seen.spans() if span["kind"] == "CONSUMER"]
    assert (first["links"], third["links"]) == ([8], [8, second["span"]])


def test_an_ack_from_another_thread_ends_the_span_there(wire: Wire, seen: Seen, clock: Clock) -> None:
    """The span covers the work of a thread that outlives the callback."""
    threads: list[threading.Thread] = []

    def start(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        def work() -> None:
            clock.advance(3)
            channel.basic_ack(method.delivery_tag)

        threads.append(threading.Thread(target=contextvars.copy_context().run, args=(work,)))

    wire.blocking.basic_consume("transcribe", start, consumer_tag="consumer")
    wire.deliver()
    assert seen.spans() == []
    for thread in threads:
        thread.start()
        thread.join()
    assert (seen.named(PROCESS)["from"], seen.named(PROCESS)["to"]) == (0.0, 3.0)


def test_a_span_covers_the_callback_after_its_ack(wire: Wire, seen: Seen, clock: Clock) -> None:
    """Work that a callback does after acknowledging is still work on the message."""

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        channel.basic_ack(method.delivery_tag)
        clock.advance(1)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver()
    assert seen.named(PROCESS)["to"] == 1.0


def test_a_republished_failure_fails_the_message(wire: Wire, seen: Seen) -> None:
    """Publishing under x-exception-type says that the message being processed failed, though it is acked."""

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        headers = {"x-exception-type": "artifact_missing", "x-exception-message": "the secret"}
        channel.basic_publish("speech.dead", "transcribe", b"body", pika.BasicProperties(headers=headers))
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver()
    assert outcomes(seen) == [(1, "ack", "ERROR", "artifact_missing")]
    assert "secret" not in "".join(span.to_json() for span in seen.raw)


def test_the_first_failure_names_the_error(wire: Wire, seen: Seen) -> None:
    """A rejection after a named failure does not hide the name."""

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        for name in ("audio_unreadable", "later"):
            headers = {"x-exception-type": name}
            channel.basic_publish("", "q", b"", pika.BasicProperties(headers=headers))
        channel.basic_reject(method.delivery_tag, requeue=False)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver()
    assert outcomes(seen) == [(1, "reject", "ERROR", "audio_unreadable")]


FAILED = {"x-exception-type": "ValueError", "x-attempt": 2}


@pytest.mark.parametrize(
    ("sent", "error_type"),
    [
        (FAILED, None),
        ({**FAILED, "x-attempt": 3}, "ValueError"),
        ({**FAILED, "x-reason": "attempts_exhausted"}, "ValueError"),
        ({**FAILED, "x-exception-type": "KeyError"}, "KeyError"),
    ],
    ids=["passed on", "retried", "dead", "another"],
)
def test_a_failure_passed_on_is_not_this_ones(
    wire: Wire, seen: Seen, sent: dict[str, Any], error_type: str | None
) -> None:
    """The failure a message arrived with counts again only if its attempt, reason or type is news."""

    def work(channel: Any, method: Any, properties: Any, _body: Any) -> None:
        properties.headers.update(sent)
        channel.basic_publish("speech", "next", b"body", properties)
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver(pika.BasicProperties(headers={**FAILED, "x-death": [{"count": 1}], "job": "7"}))
    assert outcomes(seen) == [(1, "ack", "ERROR" if error_type else "UNSET", error_type)]


@pytest.mark.parametrize(
    ("value", "error_type"),
    [
        ("com.example.Outer$Inner", "com.example.Outer$Inner"),
        ("x" * 128, "x" * 128),
        ("x" * 129, "_OTHER"),
        ("the words of a caller", "_OTHER"),
        ("gr\u00fc\u00dfe", "_OTHER"),
        ("Error\n", "_OTHER"),
        ("", None),
        (7, None),
    ],
)
def test_an_error_type_is_a_name(wire: Wire, seen: Seen, value: object, error_type: str | None) -> None:
    """Text that is no name of a type or reason is a failure all the same, but is not repeated."""

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        headers = {"x-exception-type": value}
        channel.basic_publish("", "q", b"", pika.BasicProperties(headers=headers))
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver()
    assert outcomes(seen) == [(1, "ack", "ERROR" if error_type else "UNSET", error_type)]


def test_a_failure_published_outside_is_no_ones(wire: Wire, seen: Seen) -> None:
    """The convention speaks of the message in whose context it is published."""
    consume(wire, 1)
    headers = {"x-exception-type": "ValueError"}
    wire.blocking.basic_publish("", "q", b"", pika.BasicProperties(headers=headers))
    wire.blocking.basic_ack(1)
    assert outcomes(seen) == [(1, "ack", "UNSET", None)]


def test_a_callback_runs_in_the_context_of_who_asked_for_it(
    wire: Wire, instrumented: PikaInstrumentor
) -> None:
    """`add_callback_threadsafe` carries the caller's context to the connection's thread, and back off it."""
    from pika.adapters.blocking_connection import BlockingConnection  # noqa: PLC0415 - after instrumenting

    handed: list[Callable[[], Any]] = []
    connection = BlockingConnection.__new__(BlockingConnection)
    connection._cleanup_mutex = threading.Lock()
    connection._impl = type(
        "Impl",
        (),
        {"is_closed": False, "_adapter_add_callback_threadsafe": lambda _self, later: handed.append(later)},
    )()
    connection._on_threadsafe_callback = lambda callback: callback()
    found: list[object] = []
    token = context.attach(context.set_value("who", "worker"))
    try:
        connection.add_callback_threadsafe(lambda: found.append(context.get_value("who")))
    finally:
        context.detach(token)
    for later in handed:
        later()
    assert (found, context.get_value("who")) == (["worker"], None)


def test_uninstrumenting_leaves_no_span_open(wire: Wire, seen: Seen, instrumented: PikaInstrumentor) -> None:
    """A message whose settlement will not be seen is ended without one, and its consumer goes on."""
    runs: list[int] = []
    wire.blocking.basic_consume("transcribe", lambda *_: runs.append(1), consumer_tag="consumer")
    wire.blocking.basic_consume("audit", lambda *_: runs.append(2), auto_ack=True, consumer_tag="audit")
    wire.deliver(delivery_tag=1)
    instrumented.uninstrument()
    wire.deliver(consumer_tag="audit", delivery_tag=2)
    wire.blocking.basic_ack(1)
    assert outcomes(seen) == [(1, None, "UNSET", None)]
    assert runs == [1, 2]
