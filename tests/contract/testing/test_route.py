"""Where messages go, on either broker."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError, UnsupportedAMQPFieldException

if TYPE_CHECKING:
    from contract.testing.conftest import Bench


def routed(bench: Bench, exchange: str, queue: str, key: str, headers: dict[str, Any] | None = None) -> bool:
    """Tell whether a message comes from an exchange to a queue."""
    channel = bench.channel()
    channel.queue_purge(queue)
    channel.basic_publish(exchange, key, b"body", pika.BasicProperties(headers=headers))
    return bench.waiting(queue) == 1


def test_the_default_exchange_knows_queues_by_name(bench: Bench) -> None:
    """Without an exchange the routing key is the queue."""
    queue = bench.queue()
    bench.put(queue, b"body")
    method, _, body = bench.take(queue)
    assert (method.exchange, method.routing_key, body) == ("", queue, b"body")


def test_direct(bench: Bench) -> None:
    """A direct exchange compares routing keys."""
    exchange = bench.exchange("direct")
    queue = bench.bound(exchange, "asr")
    assert [routed(bench, exchange, queue, key) for key in ("asr", "asr.de", "")] == [True, False, False]


def test_fanout(bench: Bench) -> None:
    """A fanout exchange gives each queue one copy, whatever the key and however it is bound."""
    exchange = bench.exchange("fanout")
    first, second = bench.bound(exchange), bench.bound(exchange)
    bench.channel().queue_bind(first, exchange, "again")
    bench.channel().basic_publish(exchange, "any", b"body")
    assert (bench.waiting(first), bench.waiting(second)) == (1, 1)


@pytest.mark.parametrize(
    ("pattern", "key", "fits"),
    [
        ("asr.*", "asr.de", True),
        ("asr.*", "asr", False),
        ("asr.*", "asr.de.long", False),
        ("asr.#", "asr", True),
        ("asr.#", "asr.de.long", True),
        ("#.long", "asr.de.long", True),
        ("#.long", "long", True),
        ("*.de.#", "asr.de", True),
        ("*.de.#", "de", False),
        ("#", "", True),
    ],
)
def test_topic(bench: Bench, pattern: str, key: str, fits: bool) -> None:
    """In a topic pattern * is one word, # any number of them."""
    exchange = bench.exchange("topic")
    queue = bench.bound(exchange, pattern)
    assert routed(bench, exchange, queue, key) is fits


@pytest.mark.parametrize(
    ("arguments", "headers", "fits"),
    [
        ({"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 2}, True),
        ({"a": 1, "b": "x"}, {"a": 1}, False),
        ({"a": 1, "b": "x", "x-match": "any"}, {"a": 1}, True),
        ({"a": 1, "x-match": "any"}, {"a": 2}, False),
        ({"a": 1, "x-match": "all", "x-mine": 2}, {"a": 1}, True),
        ({"a": None}, {"a": 5}, True),
        ({}, None, True),
    ],
)
def test_headers(bench: Bench, arguments: dict[str, Any], headers: dict[str, Any] | None, fits: bool) -> None:
    """A headers exchange compares headers: all of them, or any."""
    exchange = bench.exchange("headers")
    queue = bench.bound(exchange, arguments=arguments)
    assert routed(bench, exchange, queue, "key", headers) is fits


def test_exchanges_may_be_chained(bench: Bench) -> None:
    """A message passes from exchange to exchange, and through a circle once."""
    first, second = bench.exchange("topic"), bench.exchange("fanout")
    queue, channel = bench.bound(second), bench.channel()
    channel.exchange_bind(second, first, "asr.#")
    channel.exchange_bind(first, second)
    channel.basic_publish(first, "asr.de", b"body")
    assert bench.waiting(queue) == 1
    assert bench.take(queue)[0].exchange == first


def test_what_fits_nowhere_goes_to_the_alternate_exchange(bench: Bench) -> None:
    """An exchange may name another for what it cannot route."""
    alternate = bench.exchange("fanout")
    queue = bench.bound(alternate)
    exchange = bench.exchange("direct", **{"alternate-exchange": alternate})
    assert routed(bench, exchange, queue, "unknown")


def test_unbinding_ends_it(bench: Bench) -> None:
    """After queue_unbind nothing comes any more, however often the binding was made."""
    exchange = bench.exchange("direct")
    queue = bench.bound(exchange, "asr")
    bench.channel().queue_bind(queue, exchange, "asr")
    bench.channel().queue_unbind(queue, exchange, "asr")
    assert not routed(bench, exchange, queue, "asr")


def test_a_deleted_queue_takes_its_bindings_along(bench: Bench) -> None:
    """A queue of the same name starts unbound."""
    exchange, channel = bench.exchange("fanout"), bench.channel()
    queue = bench.bound(exchange)
    channel.queue_delete(queue)
    channel.queue_declare(queue, durable=True)
    with pytest.raises(UnroutableError):
        channel.basic_publish(exchange, "key", b"body", mandatory=True)


def test_a_mandatory_message_without_a_queue_raises(bench: Bench) -> None:
    """With confirms, the publish itself says that nobody takes it."""
    channel, key = bench.channel(), bench.name()
    with pytest.raises(UnroutableError) as caught:
        channel.basic_publish("", key, b"body", pika.BasicProperties(message_id="1"), mandatory=True)
    (returned,) = caught.value.messages
    method = returned.method
    assert (method.reply_code, method.reply_text, method.exchange, method.routing_key) == (
        312,
        "NO_ROUTE",
        "",
        key,
    )
    assert (returned.properties.message_id, returned.body) == ("1", b"body")


def test_without_confirms_it_comes_back(bench: Bench) -> None:
    """Without confirms, the return callback gets it."""
    channel, key = bench.channel(confirm=False), bench.name()
    returned: list[tuple[Any, ...]] = []
    channel.add_on_return_callback(
        lambda _channel, method, _properties, body: returned.append((method.routing_key, body))
    )
    channel.basic_publish("", key, b"body", mandatory=True)
    bench.run(channel, lambda: returned)
    assert returned == [(key, b"body")]


def test_an_unroutable_message_is_gone(bench: Bench) -> None:
    """Without mandatory it is confirmed and dropped."""
    assert bench.channel().basic_publish("", bench.name(), b"body") is None


def test_a_full_queue_refuses_a_confirmed_message(bench: Bench) -> None:
    """With overflow reject-publish the publish raises, and the queue keeps what it had."""
    queue = bench.queue(x_max_length=1, x_overflow="reject-publish")
    bench.put(queue, b"1")
    with pytest.raises(NackError):
        bench.put(queue, b"2")
    assert bench.take(queue)[2] == b"1"


def test_a_full_queue_drops_its_head(bench: Bench) -> None:
    """Without overflow the oldest messages make way."""
    queue = bench.queue(x_max_length=2)
    bench.put(queue, b"1", b"2", b"3")
    assert [bench.take(queue)[2] for _ in range(2)] == [b"2", b"3"]


def test_properties_travel_as_the_wire_has_them(bench: Bench) -> None:
    """Types come back as AMQP carries them, which is not always as they went."""
    queue = bench.queue()
    headers = {
        "text": "ä",
        "bytes": b"\xff",
        "int": 1,
        "long": 2**40,
        "true": True,
        "none": None,
        "decimal": Decimal("1.5"),
        "time": datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC),
        "list": [1, ["a"], {"b": 2}],
        "table": {"a": {"b": None}},
    }
    properties = pika.BasicProperties(
        "text/plain", "utf-8", headers, 2, 3, "corr", "reply", None, "id", 1, "type", "guest", "app"
    )
    bench.channel().basic_publish("", queue, b"body", properties)
    received = bench.take(queue)[1]
    expected = {**headers, "time": datetime(2026, 1, 1, 12, tzinfo=UTC)}
    assert vars(received) == {**vars(properties), "headers": expected}


@pytest.mark.parametrize("value", [object(), {1, 2}])
def test_what_amqp_cannot_carry_fails_at_the_sender(bench: Bench, value: object) -> None:
    """Pika refuses to write such a header, and the channel lives on."""
    queue, channel = bench.queue(), bench.channel()
    with pytest.raises(UnsupportedAMQPFieldException):
        channel.basic_publish("", queue, b"", pika.BasicProperties(headers={"bad": value}))
    assert bench.waiting(queue) == 0


def test_an_expiration_that_is_no_number_is_refused(bench: Bench) -> None:
    """A message's own expiration is milliseconds as text."""
    queue = bench.queue()
    with pytest.raises(ChannelClosedByBroker) as caught:
        bench.put(queue, b"body", expiration="soon")
    assert caught.value.reply_code == 406


def test_large_bodies_arrive_whole(bench: Bench) -> None:
    """A body of several frames is one message; an empty one is one too."""
    queue = bench.queue()
    bench.put(queue, b"x" * 400_000, b"")
    assert [len(bench.take(queue)[2]) for _ in range(2)] == [400_000, 0]
