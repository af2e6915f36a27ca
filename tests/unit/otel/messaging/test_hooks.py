"""Who else looks on: hooks of the application, and nobody where it asks for no instrumentation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from unit.otel.messaging.conftest import consume, sent
from voxtrace.messaging import PikaInstrumentor
from voxtrace.messaging.confirms import Confirms
from voxtrace.messaging.publisher import publishing, sending

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Clock, Seen, Trace


def test_hooks_see_the_message(traced: Trace, seen: Seen, clock: Clock) -> None:
    """Each is called once, with span, method, properties and body; the last one with the outcome too."""
    calls: list[tuple[Any, ...]] = []

    def publish_hook(span: trace.Span, method: Any, properties: Any, body: Any) -> None:
        calls.append(("publish", method.exchange, method.routing_key, method.mandatory, body))
        span.set_attribute("tenant", properties.app_id)

    def process_hook(span: trace.Span, method: Any, properties: Any, body: Any) -> None:
        calls.append(("process", method.delivery_tag, properties.app_id, body, span.is_recording()))

    def response_hook(span: trace.Span, method: Any, properties: Any, body: Any, outcome: Any) -> None:
        calls.append(("response", method.delivery_tag, properties.app_id, body, span.is_recording(), outcome))

    wire = traced(publish_hook=publish_hook, process_hook=process_hook, response_hook=response_hook)
    properties = pika.BasicProperties(app_id="shop")
    wire.blocking.basic_publish("speech", "transcribe", b"out", properties, mandatory=True)

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        calls.append(("work",))
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver(properties, delivery_tag=3)
    assert calls == [
        ("publish", "speech", "transcribe", True, b"out"),
        ("process", 3, "shop", b"body", True),
        ("work",),
        ("response", 3, "shop", b"body", True, "ack"),
    ]
    assert seen.named("publish speech:transcribe")["attributes"]["tenant"] == "shop"


def test_the_response_hook_sees_the_exception(traced: Trace) -> None:
    """Where the callback raised, that is the outcome; with auto_ack and no exception there is none."""
    outcomes: list[object] = []
    error = ValueError()
    wire = traced(response_hook=lambda *args: outcomes.append(args[-1]))

    def work(_channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        if method.delivery_tag == 2:
            raise error

    consume(wire, work)
    wire.deliver(delivery_tag=1)
    with pytest.raises(ValueError, match=r"^$"):
        wire.deliver(delivery_tag=2)
    assert outcomes == [None, error]


def test_a_hook_may_publish(traced: Trace, seen: Seen) -> None:
    """A response hook that reports by a message of its own does not wait for itself."""
    channels: list[Any] = []

    def response_hook(*_args: Any) -> None:
        failed = pika.BasicProperties(headers={"x-exception-type": "Late"})
        channels[0].basic_publish("", "audit", b"", failed)

    wire = traced(response_hook=response_hook)
    channels.append(wire.blocking)
    wire.blocking.basic_consume(
        "transcribe",
        lambda channel, method, *_: channel.basic_ack(method.delivery_tag),
        consumer_tag="consumer",
    )
    wire.deliver()
    assert sorted(span["name"] for span in seen.spans()) == ["process speech:transcribe", "publish audit"]


def test_a_raising_hook_harms_nothing(traced: Trace, seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """Each is reported once; the message goes out, comes in, and is traced."""

    def fail(*_args: Any) -> None:
        raise LookupError("secret")

    wire = traced(publish_hook=fail, process_hook=fail, response_hook=fail)
    ran: list[int] = []
    consume(wire, lambda *_: ran.append(1))
    for _ in range(2):
        wire.blocking.basic_publish("speech", "transcribe", b"")
        wire.deliver()
    assert (ran, len(wire.published), len(seen.spans())) == ([1, 1], 2, 4)
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "Voxtrace could not run the publish_hook",
        "Voxtrace could not run the process_hook",
        "Voxtrace could not run the response_hook",
    ]
    assert "secret" not in caplog.text


def test_suppression_holds_both_ways(traced: Trace, seen: Seen, clock: Clock) -> None:
    """Nothing is injected, nothing is measured, no hook is called; the callback runs and stays suppressed."""
    calls: list[Any] = []
    wire = traced(publish_hook=calls.append, process_hook=calls.append, response_hook=calls.append)
    properties = pika.BasicProperties()

    def work(channel: Any, method: Any, _properties: Any, body: Any) -> None:
        channel.basic_publish("", "next", body, properties)
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    with suppress_instrumentation():
        wire.deliver(sent(clock))
    assert wire.published[0] is properties
    assert properties.headers is None
    assert (seen.spans(), seen.metrics(), calls) == ([], {}, [])


def test_suppression_holds_on_the_thread_that_sends(traced: Trace, seen: Seen) -> None:
    """Where pika hands a message to the thread of its connection, that one leaves it alone too."""
    wire = traced()
    telemetry = PikaInstrumentor()._instrumentation.telemetry
    confirms = Confirms(telemetry)
    sent: list[Any] = []

    def send(_channel: Any, _exchange: str, _key: str, _body: bytes, properties: Any = None) -> None:
        sent.append(properties)

    below = sending(telemetry, confirms)(send)

    def hand_over(*args: Any, **kwargs: Any) -> None:
        thread = threading.Thread(target=below, args=args, kwargs=kwargs)
        thread.start()
        thread.join()

    above = publishing(telemetry, confirms, deferring=True)(hand_over)
    properties = pika.BasicProperties(app_id="shop")
    with suppress_instrumentation():
        above(wire.channel, "", "q", b"")
        above(wire.channel, "", "q", b"", properties)
    assert sent == [pika.BasicProperties(), properties]
    assert [vars(each).get("_voxtrace_publication") for each in (*sent, properties)] == [None] * 3
    assert seen.spans() == []
    above(wire.channel, "", "q", b"")
    assert [span["name"] for span in seen.spans()] == ["publish q"]
