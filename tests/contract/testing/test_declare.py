"""Declaring, binding and deleting, on either broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.testing.conftest import Bench


def test_the_broker_names_a_queue(bench: Bench) -> None:
    """A queue declared without a name gets one of its own."""
    channel = bench.channel()
    names = [channel.queue_declare("", exclusive=True).method.queue for _ in range(2)]
    assert all(name.startswith("amq.gen-") for name in names)
    assert len(set(names)) == 2


def test_no_name_means_the_last_queue(bench: Bench) -> None:
    """A channel remembers the queue it declared last."""
    channel, exchange = bench.channel(), bench.exchange("direct")
    name = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind("", exchange)
    channel.basic_publish(exchange, name, b"body", mandatory=True)
    assert channel.basic_get("")[2] == b"body"


def test_a_declaration_counts(bench: Bench) -> None:
    """The answer to a declaration says how much waits, and for how many consumers."""
    queue, channel = bench.queue(), bench.channel()
    channel.basic_qos(prefetch_count=1)
    for _ in range(2):
        channel.basic_consume(queue, lambda *_: None)
    bench.put(queue, b"1", b"2", b"3")
    ok = bench.channel().queue_declare(queue, passive=True).method
    assert (ok.queue, ok.message_count, ok.consumer_count) == (queue, 1, 2)


REFUSED: dict[str, Callable[[Any, Any], object]] = {
    "404 NOT_FOUND - no queue 'nowhere' in vhost '/'": lambda channel, _: channel.queue_declare(
        "nowhere", passive=True
    ),
    "404 NOT_FOUND - no queue 'nobody' in vhost '/'": lambda channel, _: channel.queue_purge("nobody"),
    "404 NOT_FOUND - no queue 'nothing' in vhost '/'": lambda channel, _: channel.basic_get("nothing"),
    "404 NOT_FOUND - no queue 'never' in vhost '/'": lambda channel, _: channel.basic_consume(
        "never", lambda *_: None
    ),
    "404 NOT_FOUND - no exchange 'nowhere' in vhost '/'": lambda channel, queue: channel.queue_bind(
        queue, "nowhere"
    ),
    "404 NOT_FOUND - no exchange 'nothing' in vhost '/'": lambda channel, _: channel.basic_publish(
        "nothing", "key", b"body"
    ),
    "404 NOT_FOUND - no exchange 'nobody' in vhost '/'": lambda channel, _: channel.exchange_declare(
        "nobody", passive=True
    ),
    "403 ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'": (
        lambda channel, _: channel.queue_declare("amq.mine")
    ),
    "403 ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'": (
        lambda channel, _: channel.exchange_declare("amq.mine")
    ),
    "403 ACCESS_REFUSED - operation not permitted on the default exchange": (
        lambda channel, queue: channel.queue_bind(queue, "")
    ),
    "406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' in vhost '/': "
    "received 'false' but current is 'true'": lambda channel, queue: channel.queue_declare(queue),
    "406 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue '{queue}' in vhost '/': "
    "received the value '1' of type 'signedint' but current is none": (
        lambda channel, queue: channel.queue_declare(queue, durable=True, arguments={"x-message-ttl": 1})
    ),
    "406 PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue '{queue}' in vhost '/': "
    "received the value 'drop-head' of type 'longstr' but current is none": (
        lambda channel, queue: channel.queue_declare(
            queue, durable=True, arguments={"x-overflow": "drop-head"}
        )
    ),
    "406 PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'limited' in vhost '/': "
    "received none but current is the value '1' of type 'signedint'": lambda channel, _: (
        channel.queue_declare("limited", exclusive=True, arguments={"x-max-length": 1}),
        channel.queue_declare("limited", exclusive=True),
    ),
    "406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.topic' in vhost '/': "
    "received 'fanout' but current is 'topic'": lambda channel, _: channel.exchange_declare(
        "amq.topic", "fanout", durable=True
    ),
    "406 PRECONDITION_FAILED - unknown delivery tag 99": lambda channel, _: (
        channel.basic_ack(99),
        channel.queue_declare("", exclusive=True),
    ),
    "406 PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use": lambda channel, queue: (
        channel.basic_consume(queue, lambda *_: None),
        channel.queue_delete(queue, if_unused=True),
    ),
    "406 PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty": lambda channel, queue: (
        channel.basic_publish("", queue, b"body"),
        channel.queue_delete(queue, if_empty=True),
    ),
    "406 PRECONDITION_FAILED - exchange '{queue}' in vhost '/' in use": lambda channel, queue: (
        channel.exchange_declare(queue, auto_delete=True),
        channel.queue_bind(queue, queue),
        channel.exchange_delete(queue, if_unused=True),
    ),
    "403 ACCESS_REFUSED - cannot publish to internal exchange '{queue}' in vhost '/'": (
        lambda channel, queue: (
            channel.exchange_declare(queue, internal=True, auto_delete=True),
            channel.queue_bind(queue, queue),
            channel.basic_publish(queue, "key", b"body"),
        )
    ),
}


@pytest.mark.parametrize("refusal", list(REFUSED))
def test_a_refusal_closes_the_channel(bench: Bench, refusal: str) -> None:
    """What the broker will not do costs the channel alone, with code and words."""
    queue, channel = bench.queue(), bench.channel()
    with pytest.raises(ChannelClosedByBroker) as caught:
        REFUSED[refusal](channel, queue)
    code, _, text = refusal.format(queue=queue).partition(" ")
    assert (caught.value.reply_code, caught.value.reply_text) == (int(code), text)
    assert channel.is_closed
    assert channel.connection.channel().is_open


def test_an_unknown_exchange_type_closes_the_connection(bench: Bench) -> None:
    """Some mistakes cost the connection."""
    channel = bench.channel()
    with pytest.raises(ConnectionClosedByBroker) as caught:
        channel.exchange_declare(bench.name(), "x-unheard-of")
    assert caught.value.reply_code == 503
    assert channel.connection.is_closed


def test_an_exclusive_queue_is_locked_to_others(bench: Bench) -> None:
    """Another connection may not use an exclusive queue."""
    name = bench.name()
    bench.channel().queue_declare(name, exclusive=True)
    with pytest.raises(ChannelClosedByBroker) as caught:
        bench.channel().queue_declare(name, passive=True)
    assert caught.value.reply_code == 405


def test_an_exclusive_queue_goes_with_its_connection(bench: Bench) -> None:
    """Once the connection is closed, there is no such queue."""
    name, connection = bench.name(), bench.connection()
    connection.channel().queue_declare(name, exclusive=True)
    connection.close()
    with pytest.raises(ChannelClosedByBroker) as caught:
        bench.channel().queue_declare(name, passive=True)
    assert caught.value.reply_code == 404


def test_an_auto_delete_exchange_goes_with_its_last_binding(bench: Bench) -> None:
    """It lives for its bindings, once it had one."""
    name, queue, channel = bench.name(), bench.queue(), bench.channel()
    channel.exchange_declare(name, auto_delete=True)
    channel.queue_bind(queue, name, "asr")
    channel.exchange_declare(name, passive=True)
    channel.queue_unbind(queue, name, "asr")
    with pytest.raises(ChannelClosedByBroker):
        channel.exchange_declare(name, passive=True)


def test_an_auto_delete_queue_goes_with_its_last_consumer(bench: Bench) -> None:
    """It lives for its consumers, once it had one."""
    name, channel = bench.name(), bench.channel()
    channel.queue_declare(name, auto_delete=True)
    tags = [channel.basic_consume(name, lambda *_: None) for _ in range(2)]
    channel.basic_cancel(tags[0])
    channel.queue_declare(name, passive=True)
    channel.basic_cancel(tags[1])
    with pytest.raises(ChannelClosedByBroker):
        channel.queue_declare(name, passive=True)


def test_purging_tells_how_many(bench: Bench) -> None:
    """A purge removes what waits and counts it."""
    queue = bench.queue()
    bench.put(queue, b"1", b"2")
    assert bench.channel().queue_purge(queue).method.message_count == 2
    assert bench.waiting(queue) == 0


def test_deleting_what_is_not_there_is_fine(bench: Bench) -> None:
    """Deletion is idempotent and counts what was lost."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1")
    counts = [channel.queue_delete(queue).method.message_count for _ in range(2)]
    channel.exchange_delete(bench.name())
    assert counts == [1, 0]


def test_deleting_a_queue_cancels_its_consumers(bench: Bench) -> None:
    """The client is told by on_cancel."""
    queue, channel = bench.queue(), bench.channel()
    told: list[str] = []
    tag = channel.basic_consume(queue, lambda *_: None)
    channel.add_on_cancel_callback(lambda frame: told.append(frame.method.consumer_tag))
    bench.channel().queue_delete(queue)
    bench.run(channel, lambda: told)
    assert told == [tag]
    assert channel.consumer_tags == []
