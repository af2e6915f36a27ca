"""A delivered message is one CONSUMER span, and its callback runs once, whatever happens to us."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from unit.otel.messaging.conftest import Clock, Seen, Wire

CREATION = f"00-{9:032x}-{8:016x}-01"
PROCESS = "process speech:transcribe"


def message(clock: Clock, waited: float = 2, **headers: Any) -> pika.BasicProperties:
    """A message that was enqueued a while ago."""
    enqueued = clock.now // 1_000_000 - round(waited * 1000)
    return pika.BasicProperties(
        headers={"traceparent": CREATION, "voxtrace-enqueued-at": enqueued, **headers},
        message_id="m1",
        correlation_id="upload-1",
    )


def acknowledge(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
    """The shortest consumer."""
    channel.basic_ack(method.delivery_tag)


def test_a_message_is_a_wait_and_a_process_span(wire: Wire, seen: Seen, clock: Clock) -> None:
    """Both spans hang below the creation context; the wait ends where the processing starts."""

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        clock.advance(0.5)
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver(message(clock), delivery_tag=3)
    assert seen.spans() == [
        {
            "name": "wait transcribe",
            "kind": "INTERNAL",
            "trace": 9,
            "span": 2,
            "parent": 8,
            "links": [],
            "from": -2.0,
            "to": 0.0,
            "status": "UNSET",
            "attributes": {
                "messaging.message.id": "m1",
                "voxtrace.messaging.queue.name": "transcribe",
                "voxtrace.messaging.wait.source": "producer",
                "voxtrace.messaging.wait.broker": 2.0,
                "voxtrace.messaging.wait.prefetch": 0.0,
            },
            "events": [],
        },
        {
            "name": PROCESS,
            "kind": "CONSUMER",
            "trace": 9,
            "span": 1,
            "parent": 8,
            "links": [8],
            "from": 0.0,
            "to": 0.5,
            "status": "UNSET",
            "attributes": {
                "messaging.system": "rabbitmq",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": "speech:transcribe",
                "messaging.rabbitmq.destination.routing_key": "transcribe",
                "messaging.rabbitmq.message.delivery_tag": 3,
                "messaging.message.id": "m1",
                "messaging.message.conversation_id": "upload-1",
                "server.address": "broker.test",
                "server.port": 5672,
                "voxtrace.messaging.queue.name": "transcribe",
                "voxtrace.messaging.redelivered": False,
                "voxtrace.messaging.delivery.attempt": 1,
                "voxtrace.messaging.settlement": "ack",
            },
            "events": [],
        },
    ]


def test_a_message_is_measured_as_its_spans_are(wire: Wire, seen: Seen, clock: Clock) -> None:
    """The metrics of a message say what its spans say."""

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        clock.advance(0.5)
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver(message(clock))
    dimensions = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.destination.name": "speech:transcribe",
        "server.address": "broker.test",
        "server.port": 5672,
    }
    waited = {
        "messaging.system": "rabbitmq",
        "voxtrace.messaging.queue.name": "transcribe",
        "voxtrace.messaging.wait.source": "producer",
    }
    settled = {
        **dimensions,
        "messaging.operation.name": "ack",
        "messaging.operation.type": "settle",
    }
    in_queue = {"messaging.system": "rabbitmq", "voxtrace.messaging.queue.name": "transcribe"}
    assert seen.metrics() == {
        "messaging.client.consumed.messages": [(dimensions, 1)],
        "messaging.process.duration": [(dimensions, 0.5)],
        "messaging.client.operation.duration": [(settled, 0.0)],
        "voxtrace.messaging.wait.duration": [(waited, 2.0)],
        "voxtrace.messaging.wait.prefetch.duration": [(in_queue, 0.0)],
    }


def test_exemplars_lead_to_the_spans_they_measure(wire: Wire, seen: Seen, clock: Clock) -> None:
    """The exemplar of each duration names the span of that length."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(message(clock))
    exemplars = {
        metric.name: [exemplar.span_id for point in metric.data.data_points for exemplar in point.exemplars]
        for metric in seen.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    }
    assert exemplars == {
        "messaging.client.consumed.messages": [],
        "messaging.process.duration": [1],
        "messaging.client.operation.duration": [1],
        "voxtrace.messaging.wait.prefetch.duration": [1],
        "voxtrace.messaging.wait.duration": [2],
    }


def test_buckets_reach_as_far_as_speech_takes(wire: Wire, seen: Seen, clock: Clock) -> None:
    """Every duration has the conventions' buckets and ours up to ten minutes."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(message(clock))
    metrics = seen.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    bounds = [
        point.explicit_bounds
        for metric in metrics
        for point in metric.data.data_points
        if hasattr(point, "explicit_bounds")
    ]
    expected = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert bounds == [(*expected, 30, 60, 120, 300, 600)] * 4


def test_the_span_is_current_in_the_callback_alone(wire: Wire, clock: Clock) -> None:
    """User code runs inside the process span; what comes after does not."""
    current: list[int] = []

    def work(*_args: Any) -> None:
        current.append(trace.get_current_span().get_span_context().span_id)

    wire.blocking.basic_consume("transcribe", work, auto_ack=True, consumer_tag="consumer")
    wire.deliver(message(clock))
    work()
    assert current == [1, 0]


def test_the_surrounding_context_is_kept(
    wire: Wire, seen: Seen, clock: Clock, provider: TracerProvider
) -> None:
    """Ambient baggage joins the message's; the ambient span is linked to, and no parent."""
    found: list[dict[str, object]] = []

    def work(*_args: Any) -> None:
        found.append(dict(baggage.get_all()))

    wire.blocking.basic_consume("transcribe", work, auto_ack=True, consumer_tag="consumer")
    token = context.attach(baggage.set_baggage("ambient", "1"))
    try:
        with provider.get_tracer("test").start_as_current_span("loop"):
            wire.deliver(message(clock, baggage="job=7"))
    finally:
        context.detach(token)
    assert found == [{"ambient": "1", "job": "7"}]
    assert (seen.named(PROCESS)["parent"], seen.named(PROCESS)["links"]) == (8, [8, 1])


def test_an_ambient_span_that_is_over_is_not_linked(
    wire: Wire, seen: Seen, clock: Clock, provider: TracerProvider
) -> None:
    """A consuming thread that was started in a request does not tie every message to that request."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    with provider.get_tracer("test").start_as_current_span("start-up"):
        stale = context.get_current()
    token = context.attach(stale)
    try:
        wire.deliver(message(clock))
    finally:
        context.detach(token)
    assert seen.named(PROCESS)["links"] == [8]


def test_a_message_without_context_starts_a_trace(wire: Wire, seen: Seen, clock: Clock) -> None:
    """From a sender that does not trace, the message is its own trace, and its wait a part of that."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(pika.BasicProperties(headers={"timestamp_in_ms": clock.now // 1_000_000 - 1000}))
    assert [(span["name"], span["trace"], span["parent"]) for span in seen.spans()] == [
        ("wait transcribe", 1, 1),
        (PROCESS, 1, None),
    ]


def test_a_message_without_context_does_not_join_the_loop(
    wire: Wire, seen: Seen, provider: TracerProvider
) -> None:
    """A span around the consuming loop does not become the parent of every message."""
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    with provider.get_tracer("test").start_as_current_span("loop"):
        wire.deliver()
    assert (seen.named(PROCESS)["trace"], seen.named(PROCESS)["parent"], seen.named(PROCESS)["links"]) == (
        2,
        None,
        [1],
    )


def test_an_exception_passes_unmodified(wire: Wire, seen: Seen, clock: Clock) -> None:
    """The callback's exception comes out as it was, after one run, and makes the span an error."""
    error = ValueError("the transcript was: hello")
    runs: list[int] = []

    def fail(*_args: Any) -> None:
        runs.append(1)
        raise error

    wire.blocking.basic_consume("transcribe", fail, consumer_tag="consumer")
    with pytest.raises(ValueError, match="hello") as raised:
        wire.deliver(message(clock))
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert runs == [1]
    span = seen.named(PROCESS)
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "ValueError")
    (event,) = seen.raw[-1].events
    assert (event.name, event.attributes["exception.type"]) == ("exception", "ValueError")
    assert "test_consumer.py" in event.attributes["exception.stacktrace"]
    assert "transcript" not in str(seen.raw[-1].to_json())


def test_an_interrupt_ends_the_span_too(wire: Wire, seen: Seen, clock: Clock) -> None:
    """Ctrl-C in a callback leaves no span open."""

    def interrupt(*_args: Any) -> None:
        raise KeyboardInterrupt

    wire.blocking.basic_consume("transcribe", interrupt, consumer_tag="consumer")
    with pytest.raises(KeyboardInterrupt):
        wire.deliver(message(clock))
    assert seen.named(PROCESS)["attributes"]["error.type"] == "KeyboardInterrupt"


def test_an_exception_after_the_ack_still_counts(wire: Wire, seen: Seen, clock: Clock) -> None:
    """A callback that acknowledges first and then fails has failed."""

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        channel.basic_ack(method.delivery_tag)
        clock.advance(1)
        raise LookupError

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    with pytest.raises(LookupError):
        wire.deliver(message(clock))
    span = seen.named(PROCESS)
    assert (span["to"], span["status"], span["attributes"]["error.type"]) == (1.0, "ERROR", "LookupError")
    assert span["attributes"]["voxtrace.messaging.settlement"] == "ack"


def test_without_acks_the_span_ends_with_the_callback(wire: Wire, seen: Seen, clock: Clock) -> None:
    """With auto_ack there is nothing to settle."""
    wire.blocking.basic_consume(
        "transcribe", lambda *_: clock.advance(1), auto_ack=True, consumer_tag="consumer"
    )
    wire.deliver(message(clock))
    span = seen.named(PROCESS)
    assert span["to"] == 1.0
    assert "voxtrace.messaging.settlement" not in span["attributes"]
    assert len(PikaInstrumentor()._instrumentation.ledger._channels) == 0


@pytest.mark.parametrize("key", [_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"])
def test_a_suppressed_consumer_is_left_alone(wire: Wire, seen: Seen, clock: Clock, key: str) -> None:
    """Under suppression the callback runs once, without a span, and stays under suppression."""
    found: list[object] = []
    wire.blocking.basic_consume(
        "transcribe", lambda *_: found.append(context.get_value(key)), auto_ack=True, consumer_tag="consumer"
    )
    token = context.attach(context.set_value(key, True))
    try:
        wire.deliver(message(clock))
    finally:
        context.detach(token)
    assert found == [True]
    assert seen.spans() == []
    assert seen.metrics() == {}


@pytest.mark.parametrize("broken", ["tracer", "process_duration", "consumed", "wait_duration"])
def test_broken_telemetry_costs_no_message(
    wire: Wire, clock: Clock, instrumented: PikaInstrumentor, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Whatever part of tracing fails, the callback runs once and the message is acknowledged once."""
    monkeypatch.setattr(instrumented._instrumentation.telemetry, broken, None)
    runs: list[int] = []

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        runs.append(method.delivery_tag)
        channel.basic_ack(method.delivery_tag)

    wire.blocking.basic_consume("transcribe", work, consumer_tag="consumer")
    wire.deliver(message(clock), delivery_tag=5)
    assert runs == [5]
    assert [method.delivery_tag for method, _ in wire.sent if isinstance(method, pika.spec.Basic.Ack)] == [5]


@pytest.mark.parametrize("broken", ["process_duration", "wait_duration"])
def test_a_broken_measurement_leaves_no_span_open(
    wire: Wire, seen: Seen, clock: Clock, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """If measuring fails, the spans are ended all the same."""
    monkeypatch.setattr(PikaInstrumentor()._instrumentation.telemetry, broken, None)
    wire.blocking.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(message(clock))
    assert [span["name"] for span in seen.spans()] == ["wait transcribe", PROCESS]


def test_a_callback_channel_is_traced_alike(wire: Wire, seen: Seen, clock: Clock) -> None:
    """A SelectConnection's consumer gets the same spans as a BlockingConnection's."""
    channel = wire.new_channel(2)
    channel.basic_consume("transcribe", acknowledge, consumer_tag="consumer")
    wire.deliver(message(clock), channel=channel)
    assert [span["name"] for span in seen.spans()] == ["wait transcribe", PROCESS]


def test_several_consumers_on_a_channel_keep_their_queues(wire: Wire, seen: Seen) -> None:
    """Each delivery is named after the queue its own consumer reads."""
    for queue in ("transcribe", "audit"):
        wire.blocking.basic_consume(queue, acknowledge, consumer_tag=queue)
    wire.deliver(consumer_tag="audit", delivery_tag=1)
    wire.deliver(consumer_tag="transcribe", delivery_tag=2)
    assert [span["name"] for span in seen.spans()] == ["process speech:transcribe:audit", PROCESS]


def test_the_callbacks_answer_and_arguments_are_passed_on(wire: Wire) -> None:
    """The callback gets what pika gave, the very objects."""
    got: list[Any] = []
    properties = pika.BasicProperties(headers={"traceparent": CREATION})
    wire.blocking.basic_consume("q", lambda *args: got.extend(args), auto_ack=True, consumer_tag="consumer")
    wire.deliver(properties)
    assert got[0] is wire.blocking
    assert got[2] is properties
    assert got[3] == b"body"


def test_a_callback_that_is_none_is_pikas_to_refuse(wire: Wire) -> None:
    """A mistake in calling pika raises what pika raises."""
    with pytest.raises(TypeError, match="on_message_callback"):
        wire.blocking.basic_consume("q", None)


def test_a_settled_message_is_freed_at_once(wire: Wire, instrumented: PikaInstrumentor, clock: Clock) -> None:
    """Nothing of a message is left for the garbage collector, which would stop the program for it."""
    deliveries = instrumented._instrumentation.ledger.deliveries
    wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
    gc.disable()
    try:
        wire.deliver(message(clock))
        (delivery,) = map(weakref.ref, deliveries())
        wire.blocking.basic_ack(1)
        assert delivery() is None
    finally:
        gc.enable()
