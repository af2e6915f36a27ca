"""What a publish leaves behind on a real broker."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pika
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError

from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from contract.messaging.conftest import Bench


@pytest.mark.parametrize("confirm", [False, True])
def test_one_publish_is_one_span(bench: Bench, confirm: bool) -> None:
    """With and without confirms there is one PRODUCER span, and it names the broker."""
    queue = bench.queue()
    bench.channel(confirm=confirm).basic_publish("", queue, b"body")
    span = bench.span(f"publish {queue}")
    parameters = pika.URLParameters(bench.url)
    assert span.kind is SpanKind.PRODUCER
    assert span.attributes["server.address"] == parameters.host
    assert span.attributes["server.port"] == parameters.port
    assert len(bench.names()) == 1


def test_the_callers_properties_are_unmutated(bench: Bench) -> None:
    """One BasicProperties may serve many messages; each message still carries its own context."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    properties = pika.BasicProperties(headers={"kept": [1, {"a": "b"}]}, content_type="text/plain")
    before = copy.deepcopy(vars(properties))
    for _ in range(2):
        channel.basic_publish("", queue, b"body", properties)
    assert vars(properties) == before
    arrived = [channel.basic_get(queue, auto_ack=True)[1] for _ in range(2)]
    assert [properties.headers["kept"] for properties in arrived] == [[1, {"a": "b"}]] * 2
    assert len({properties.headers["traceparent"] for properties in arrived}) == 2


def test_an_unroutable_message_is_an_error(bench: Bench) -> None:
    """A mandatory message that no queue takes raises in the caller and fails the span."""
    with pytest.raises(UnroutableError):
        bench.channel(confirm=True).basic_publish("", "no-such-queue", b"secret", mandatory=True)
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
    first, second = bench.spans(f"publish {queue}")
    assert first.status.status_code is StatusCode.UNSET
    assert second.attributes["error.type"] == "NackError"


def test_a_closed_channel_is_an_error(bench: Bench) -> None:
    """Publishing to a missing exchange loses the channel, and the span says so."""
    with pytest.raises(ChannelClosedByBroker):
        bench.channel(confirm=True).basic_publish("no-such-exchange", "q", b"body")
    span = bench.span("publish no-such-exchange:q")
    assert span.attributes["error.type"] == "ChannelClosedByBroker"


def test_a_suppressed_publish_goes_out_bare(bench: Bench) -> None:
    """Under suppression the message arrives, without span, context or time."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    with bench.suppressed():
        channel.basic_publish("", queue, b"body")
    _, properties, body = channel.basic_get(queue, auto_ack=True)
    assert (properties.headers, body) == (None, b"body")
    assert bench.names() == []


def test_after_uninstrument_nothing_is_traced(bench: Bench) -> None:
    """Channels that are open go on as if they had never been traced."""
    queue, channel = bench.queue(), bench.channel(confirm=True)
    PikaInstrumentor().uninstrument()
    channel.basic_publish("", queue, b"body")
    _, properties, _ = channel.basic_get(queue, auto_ack=True)
    assert properties.headers is None
    assert bench.names() == []
