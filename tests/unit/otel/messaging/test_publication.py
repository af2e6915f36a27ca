"""A publish is one PRODUCER span, and the caller notices nothing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from pika.exceptions import UnroutableError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from unit.otel.messaging.conftest import Clock, Remembering, Seen, Wire
    from voxtrace.messaging import PikaInstrumentor

PUBLISH = {
    "name": "publish speech:transcribe",
    "kind": "PRODUCER",
    "trace": 1,
    "span": 1,
    "parent": None,
    "links": [],
    "from": 0.0,
    "to": 0.0,
    "status": "UNSET",
    "attributes": {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "speech:transcribe",
        "messaging.rabbitmq.destination.routing_key": "transcribe",
        "messaging.message.id": "m1",
        "messaging.message.conversation_id": "upload-1",
        "server.address": "broker.test",
        "server.port": 5672,
    },
    "events": [],
}


def message(headers: dict[str, Any] | None = None) -> pika.BasicProperties:
    """A message of one upload."""
    return pika.BasicProperties(headers=headers, message_id="m1", correlation_id="upload-1")


def test_a_publish_is_one_span(wire: Wire, seen: Seen) -> None:
    """A BlockingChannel's publish writes one PRODUCER span, though two classes of pika publish."""
    wire.blocking.basic_publish("speech", "transcribe", b"body", message())
    assert seen.spans() == [PUBLISH]


def test_a_publish_on_a_callback_channel_is_one_span(wire: Wire, seen: Seen) -> None:
    """A SelectConnection's channel publishes under the same span."""
    wire.channel.basic_publish(
        exchange="speech", routing_key="transcribe", body=b"body", properties=message()
    )
    assert seen.spans() == [PUBLISH]


def test_the_message_carries_the_span_and_the_time(wire: Wire, clock: Clock) -> None:
    """The sent headers hold the caller's, the publish span's context, baggage and the time of enqueueing."""
    token = context.attach(baggage.set_baggage("job", "7"))
    try:
        wire.blocking.basic_publish("speech", "transcribe", b"body", message({"x-attempt": 2}))
    finally:
        context.detach(token)
    assert [properties.headers for properties in wire.published] == [
        {
            "x-attempt": 2,
            "traceparent": f"00-{1:032x}-{1:016x}-01",
            "baggage": "job=7",
            "voxtrace-enqueued-at": clock.now // 1_000_000,
        }
    ]


def test_the_callers_properties_stay_as_they_were(wire: Wire) -> None:
    """A publish changes neither the caller's properties nor their headers."""
    properties = message({"tracestate": "a=b", "nested": {"deep": [1]}})
    before = copy.deepcopy(vars(properties))
    wire.blocking.basic_publish("speech", "transcribe", b"body", properties)
    assert vars(properties) == before


def test_a_publish_without_properties_carries_context(wire: Wire) -> None:
    """Where the caller gives no properties, the message has headers all the same."""
    wire.blocking.basic_publish("", "transcribe", b"body")
    assert "traceparent" in wire.published[0].headers


def test_a_failed_publish_is_an_error(wire: Wire, seen: Seen) -> None:
    """An exception of pika reaches the caller as it is and makes the span an error of its type."""
    wire.failure = UnroutableError(["secret"])
    with pytest.raises(UnroutableError) as raised:
        wire.blocking.basic_publish("speech", "transcribe", b"body", message())
    assert raised.value is wire.failure
    span = seen.spans()[0]
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "UnroutableError")
    (event,) = seen.raw[0].events
    assert event.attributes["exception.type"] == "pika.exceptions.UnroutableError"
    assert "secret" not in str(dict(event.attributes))


def test_publishes_are_counted(wire: Wire, seen: Seen) -> None:
    """Every attempt counts, failures under their error type."""
    wire.blocking.basic_publish("speech", "transcribe", b"body")
    wire.failure = UnroutableError([])
    with pytest.raises(UnroutableError):
        wire.blocking.basic_publish("speech", "transcribe", b"body")
    dimensions = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.destination.name": "speech:transcribe",
        "server.address": "broker.test",
        "server.port": 5672,
    }
    failed = {**dimensions, "error.type": "UnroutableError"}
    sending = {"messaging.operation.type": "send"}
    assert seen.metrics() == {
        "messaging.client.sent.messages": [(dimensions, 1), (failed, 1)],
        "messaging.client.operation.duration": [
            ({**dimensions, **sending}, 0.0),
            ({**failed, **sending}, 0.0),
        ],
    }


def test_a_forwarded_message_is_linked(wire: Wire, seen: Seen, provider: TracerProvider) -> None:
    """Sent on inside a span, a publish has that span as parent and links the context it keeps."""
    old = message({"traceparent": f"00-{9:032x}-{8:016x}-01", "tracestate": "a=b"})
    with provider.get_tracer("test").start_as_current_span("retry"):
        wire.blocking.basic_publish("speech", "transcribe", b"body", old)
    span = seen.named("publish speech:transcribe")
    assert (span["trace"], span["parent"], span["links"]) == (1, 1, [8])
    assert wire.published[0].headers["traceparent"] == f"00-{9:032x}-{8:016x}-01"
    assert wire.published[0].headers["tracestate"] == "a=b"


def test_a_forwarded_message_goes_on_with_its_trace(wire: Wire, seen: Seen) -> None:
    """Sent on outside any span, a message stays in the trace its headers name."""
    old = message({"traceparent": f"00-{9:032x}-{8:016x}-01"})
    wire.blocking.basic_publish("speech", "transcribe", b"body", old)
    (span,) = seen.spans()
    assert (span["trace"], span["parent"], span["links"]) == (9, 8, [8])


@pytest.mark.parametrize("key", [_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"])
def test_a_suppressed_publish_is_left_alone(wire: Wire, seen: Seen, key: str) -> None:
    """Under suppression the caller's own properties go out, and no span is made."""
    properties = message()
    token = context.attach(context.set_value(key, True))
    try:
        wire.blocking.basic_publish("speech", "transcribe", b"body", properties)
    finally:
        context.detach(token)
    assert wire.published == [properties]
    assert wire.published[0] is properties
    assert seen.spans() == []


def test_a_broken_tracer_loses_the_span_alone(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If tracing fails, the message is published once, as it was."""
    monkeypatch.setattr(instrumented._instrumentation.telemetry.tracer, "start_span", None)
    properties = message()
    wire.blocking.basic_publish("speech", "transcribe", b"body", properties)
    assert wire.published == [properties]
    assert seen.spans() == []


def test_a_broken_meter_loses_the_measurement_alone(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If measuring fails, the publish succeeds and its span is ended."""
    monkeypatch.setattr(instrumented._instrumentation.telemetry, "sent", None)
    wire.blocking.basic_publish("speech", "transcribe", b"body", message())
    assert len(wire.published) == 1
    assert seen.spans() == [PUBLISH]


def test_a_sampler_sees_the_attributes(wire: Wire, sampler: Remembering) -> None:
    """All that is known of a message is given at the start of its span."""
    wire.blocking.basic_publish("speech", "transcribe", b"body", message())
    assert sampler.asked == [PUBLISH["attributes"]]


def test_the_span_is_current_while_pika_publishes(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pika logs during a publish belongs to the publish span; afterwards nothing is current."""
    current: list[int] = []

    def note(*_args: object) -> None:
        current.append(trace.get_current_span().get_span_context().span_id)

    monkeypatch.setattr(wire, "_send_method", note)
    wire.blocking.basic_publish("speech", "transcribe", b"body")
    note()
    assert current == [1, 0]


def test_properties_that_take_no_note_are_published_all_the_same(wire: Wire, seen: Seen) -> None:
    """Where nothing can be left with a message for the channel below, that one traces it, once."""

    class Strict:
        """Properties of the application's own."""

        __slots__ = ("headers", "message_id")

    properties = Strict()
    properties.headers, properties.message_id = {"job": "7"}, "m1"
    wire.blocking.basic_publish("speech", "transcribe", b"body", properties)
    (published,) = wire.published
    assert published.headers.keys() == {"job", "traceparent", "voxtrace-enqueued-at"}
    assert (properties.headers, [span["name"] for span in seen.spans()]) == (
        {"job": "7"},
        ["publish speech:transcribe"],
    )
