"""What a publish leaves behind on a real broker."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry import baggage, context
from opentelemetry.trace import SpanKind, StatusCode
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError

from contract.messaging.adapters.registry import PULLING, adapters

if TYPE_CHECKING:
    from contract.messaging.bench import Bench


def arrived(bench: Bench, queue: str) -> Any:
    """The properties of the one message in a queue, as a program that is not traced sees them."""
    with bench.suppressed():
        _, properties, _ = bench.channel().basic_get(queue, auto_ack=True)
    assert properties is not None, "no message in the queue"
    return properties


@adapters(without=PULLING)
def test_one_publish_is_one_span(bench: Bench) -> None:
    """A publish with confirms is one PRODUCER span that names the broker."""
    queue, end = bench.queue(), bench.open()
    end.publish(queue)
    bench.see(end, lambda: bench.produced(queue), "no PRODUCER span")
    produced = bench.produced(queue)
    assert len(produced) == 1, f"{len(produced)} PRODUCER spans for one publish"
    (span,) = produced
    assert (span.name, span.kind) == (f"publish {queue}", SpanKind.PRODUCER)
    assert bench.server.items() <= dict(span.attributes).items()


def test_without_confirms_too_one_publish_is_one_span(bench: Bench) -> None:
    """A publish whose fate nobody asks for is one span as well."""
    queue = bench.queue()
    bench.channel().basic_publish("", queue, b"body")
    produced = bench.produced(queue)
    assert len(produced) == 1, f"{len(produced)} PRODUCER spans for one publish"
    assert bench.names() == [f"publish {queue}"]


@adapters(without=PULLING)
def test_a_publish_belongs_to_its_caller(bench: Bench) -> None:
    """The span is a child of the span around the call, whatever thread writes to the socket."""
    queue, end = bench.queue(), bench.open()
    with bench.tracer.start_as_current_span("request") as request:
        end.publish(queue)
    bench.see(end, lambda: bench.produced(queue), "no PRODUCER span")
    parents = {span.parent.span_id if span.parent else None for span in bench.produced(queue)}
    assert request.context.span_id in parents, "the PRODUCER span is not the caller's child"
    trace_id = f"{request.context.trace_id:032x}"
    assert trace_id in arrived(bench, queue).headers["traceparent"], "the message is in another trace"


@adapters(without=PULLING)
def test_the_callers_properties_are_unmutated(bench: Bench) -> None:
    """One BasicProperties may serve many messages; each message still carries its own context."""
    queue, end = bench.queue(), bench.open()
    properties = pika.BasicProperties(headers={"kept": [1, {"a": "b"}]}, content_type="text/plain")
    before = copy.deepcopy(vars(properties))
    for _ in range(2):
        end.publish(queue, properties=properties)
    assert vars(properties) == before, "the caller's properties were changed"
    messages = [arrived(bench, queue) for _ in range(2)]
    assert [message.headers["kept"] for message in messages] == [[1, {"a": "b"}]] * 2
    assert len({message.headers["traceparent"] for message in messages}) == 2


@adapters(without=PULLING)
def test_a_republished_message_keeps_its_creation(bench: Bench) -> None:
    """Sent on with the headers it came with, a message names its creation still, and the span links to it."""
    queue, end = bench.queue(), bench.open()
    created = f"00-{9:032x}-{8:016x}-01"
    with bench.tracer.start_as_current_span("retry"):
        end.publish(queue, properties=pika.BasicProperties(headers={"traceparent": created}))
    bench.see(end, lambda: bench.produced(queue), "no PRODUCER span")
    assert arrived(bench, queue).headers["traceparent"] == created, "the creation context was overwritten"
    (span,) = bench.produced(queue)
    assert [link.context.span_id for link in span.links] == [8]


@adapters(without=PULLING)
def test_only_chosen_baggage_is_published(bench: Bench) -> None:
    """With an allow-list, no other baggage leaves the process."""
    bench.instrument(baggage_keys=["job.*"])
    queue, end = bench.queue(), bench.open()
    token = context.attach(baggage.set_baggage("job.id", "7", baggage.set_baggage("secret", "8")))
    end.publish(queue)
    context.detach(token)
    assert arrived(bench, queue).headers["baggage"] == "job.id=7"


@adapters(without=PULLING)
def test_a_suppressed_publish_goes_out_bare(bench: Bench) -> None:
    """Under suppression the message arrives, without span, context or time."""
    queue, end = bench.queue(), bench.open()
    with bench.suppressed():
        end.publish(queue)
    assert arrived(bench, queue).headers is None, "suppressed, and the message was changed"
    assert bench.names() == []


@adapters(without=PULLING)
def test_a_sampler_sees_what_is_published(bench: Bench) -> None:
    """System, operation, destination and broker are known when the span is about to start."""
    queue, end = bench.queue(), bench.open()
    end.publish(queue)
    bench.see(end, lambda: bench.produced(queue), "no PRODUCER span")
    told = bench.sampler.told[bench.produced(queue)[0].name]
    assert told, "the sampler was told nothing"
    expected = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": queue,
        **bench.server,
    }
    assert expected.items() <= told.items()


@adapters(without=PULLING)
def test_a_publish_hook_sees_method_properties_and_body(bench: Bench) -> None:
    """A hook is called once per publish, with the span and everything about the message."""
    calls: list[tuple[Any, ...]] = []
    bench.instrument(publish_hook=lambda *arguments: calls.append(arguments))
    queue, end = bench.queue(), bench.open()
    end.publish(queue, properties=pika.BasicProperties(message_id="m1"))
    assert calls, "the hook was not called"
    assert hasattr(calls[0][1], "routing_key"), "the hook is not told the method"
    ((_span, method, properties, body),) = calls
    assert (method.exchange, method.routing_key) == ("", queue)
    assert (properties.message_id, body) == ("m1", b"body")


@adapters("select", "asyncio", "thread_safe")
def test_a_returned_message_is_an_error(bench: Bench) -> None:
    """Where nothing is raised, a mandatory message that no queue takes fails its own span, and is counted."""
    queue, end = bench.queue(), bench.open()
    end.channel.basic_publish("", "no-such-queue", b"secret", None, True)
    end.channel.basic_publish("", queue, b"body", None, True)
    bench.see(end, lambda: bench.produced("no-such-queue") and bench.produced(queue), "no PRODUCER span")
    (lost,), (sent,) = bench.produced("no-such-queue"), bench.produced(queue)
    assert lost.attributes.get("error.type"), "a returned message looks like a success"
    assert (lost.status.status_code, lost.attributes["error.type"]) == (StatusCode.ERROR, "amqp:no-route")
    assert sent.status.status_code is StatusCode.UNSET
    assert "secret" not in lost.to_json()
    (returned,) = bench.points("voxtrace.messaging.returned.messages")
    assert (returned.value, returned.attributes["error.type"]) == (1, "amqp:no-route")


@adapters("select", "asyncio", "thread_safe")
def test_a_message_refused_later_is_an_error(bench: Bench) -> None:
    """Where confirms come by callback, the span lasts until then: a refusal fails the publish it is about."""
    queue, end = bench.queue(**{"x-max-length": 1, "x-overflow": "reject-publish"}), bench.open()
    for _ in range(2):
        end.channel.basic_publish("", queue, b"body")
    bench.see(end, lambda: len(bench.produced(queue)) == 2, "no PRODUCER span")
    outcomes = [span.attributes.get("error.type") for span in bench.produced(queue)]
    assert any(outcomes), "a refused publish looks like a success"
    assert sorted(outcomes, key=str) == [None, "amqp:nack"]


def test_an_unroutable_message_is_an_error(bench: Bench) -> None:
    """A mandatory message that no queue takes raises in the caller and fails the span."""
    with pytest.raises(UnroutableError):
        bench.channel(confirm=True).basic_publish("", "no-such-queue", b"secret", mandatory=True)
    assert bench.produced()[-1].attributes.get("error.type"), "no error.type"
    span = bench.span("publish no-such-queue")
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "UnroutableError")
    assert "secret" not in span.to_json()


def test_a_refused_message_is_an_error(bench: Bench) -> None:
    """A full queue that refuses publishes fails the span of the message it refused."""
    queue = bench.queue(**{"x-max-length": 1, "x-overflow": "reject-publish"})
    channel = bench.channel(confirm=True)
    channel.basic_publish("", queue, b"fits")
    with pytest.raises(NackError):
        channel.basic_publish("", queue, b"does not")
    assert bench.produced(queue)[-1].attributes.get("error.type"), "no error.type"
    first, second = bench.spans(f"publish {queue}")
    assert first.status.status_code is StatusCode.UNSET
    assert second.attributes["error.type"] == "NackError"


def test_a_closed_channel_is_an_error(bench: Bench) -> None:
    """Publishing to a missing exchange loses the channel, and the span says so."""
    with pytest.raises(ChannelClosedByBroker):
        bench.channel(confirm=True).basic_publish("no-such-exchange", "q", b"body")
    assert bench.produced()[-1].attributes.get("error.type"), "no error.type"
    span = bench.span("publish no-such-exchange:q")
    assert span.attributes["error.type"] == "ChannelClosedByBroker"
