"""Taking messages and settling them, on either broker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from pika.exceptions import ChannelClosedByBroker

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

    from contract.testing.conftest import Bench


class Inbox(list[tuple[int, bytes, bool]]):
    """What a consumer got: delivery tag, body, redelivered."""

    def __call__(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        """Take a message and keep it."""
        self.append((method.delivery_tag, body, method.redelivered))

    @property
    def bodies(self) -> list[bytes]:
        """The bodies alone."""
        return [body for _, body, _ in self]


def test_messages_come_in_order(bench: Bench) -> None:
    """A consumer gets them first in, first out, with tags that count from one."""
    queue, channel, inbox = bench.queue(), bench.channel(), Inbox()
    bench.put(queue, b"1", b"2", b"3")
    channel.basic_consume(queue, inbox)
    bench.run(channel, lambda: len(inbox) == 3)
    assert inbox == [(1, b"1", False), (2, b"2", False), (3, b"3", False)]


def test_prefetch_bounds_what_is_unsettled(bench: Bench) -> None:
    """Past its prefetch a consumer gets the next message for each one it settles."""
    queue, channel, inbox = bench.queue(), bench.channel(), Inbox()
    bench.put(queue, b"1", b"2", b"3")
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume(queue, inbox)
    bench.run(channel, lambda: len(inbox) == 2)
    bench.quiet(channel)
    assert inbox.bodies == [b"1", b"2"]
    channel.basic_ack(1)
    bench.run(channel, lambda: len(inbox) == 3)


def test_consumers_may_share_a_prefetch(bench: Bench) -> None:
    """With global_qos the limit is the channel's, whichever of its consumers holds the messages."""
    queues, channel, inbox = [bench.queue(), bench.queue()], bench.channel(), Inbox()
    for queue in queues:
        bench.put(queue, b"1", b"2")
    channel.basic_qos(prefetch_count=3, global_qos=True)
    for queue in queues:
        channel.basic_consume(queue, inbox)
    bench.run(channel, lambda: len(inbox) == 3)
    channel.basic_qos(prefetch_count=3, global_qos=True)  # whose answer comes after what was sent
    channel.connection.process_data_events(time_limit=0)
    assert len(inbox) == 3
    channel.basic_ack(0, multiple=True)
    bench.run(channel, lambda: len(inbox) == 4)


def test_consumers_take_turns(bench: Bench) -> None:
    """Messages go round the consumers of a queue."""
    queue, channel = bench.queue(), bench.channel()
    inboxes = [Inbox(), Inbox()]
    for inbox in inboxes:
        channel.basic_consume(queue, inbox, auto_ack=True)
    bench.put(queue, b"1", b"2", b"3", b"4")
    bench.run(channel, lambda: sum(map(len, inboxes)) == 4)
    assert sorted(inbox.bodies for inbox in inboxes) == [[b"1", b"3"], [b"2", b"4"]]


@pytest.mark.parametrize("first", [True, False])
def test_an_exclusive_consumer_is_alone(bench: Bench, first: bool) -> None:
    """A consumer beside an exclusive one is refused, and an exclusive one beside another."""
    queue = bench.queue()
    bench.channel().basic_consume(queue, Inbox(), exclusive=first)
    with pytest.raises(ChannelClosedByBroker) as caught:
        bench.channel().basic_consume(queue, Inbox(), exclusive=not first)
    assert (caught.value.reply_code, caught.value.reply_text) == (
        403,
        f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use",
    )


def test_get_takes_one(bench: Bench) -> None:
    """basic_get tells how many are left, and gives three times None where there is none."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1", b"2")
    method, properties, body = channel.basic_get(queue)
    assert (method.delivery_tag, method.message_count, method.redelivered) == (1, 1, False)
    assert (properties.headers, body) == (None, b"1")
    channel.basic_get(queue)
    assert channel.basic_get(queue) == (None, None, None)


@pytest.mark.parametrize("how", ["ack", "auto_ack"])
def test_what_is_settled_does_not_come_back(bench: Bench, how: str) -> None:
    """An acknowledged message is gone, whatever becomes of the connection."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1")
    method, _, _ = channel.basic_get(queue, auto_ack=how == "auto_ack")
    if how == "ack":
        channel.basic_ack(method.delivery_tag)
    channel.connection.close()
    assert bench.waiting(queue) == 0


@pytest.mark.parametrize("close", ["channel", "connection"])
def test_what_is_unsettled_comes_back(bench: Bench, close: str) -> None:
    """Closing returns unsettled messages to their places, marked as redelivered."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1", b"2", b"3")
    for _ in range(2):
        channel.basic_get(queue)
    (channel if close == "channel" else channel.connection).close()
    bench.become(lambda: bench.waiting(queue), 3)
    taken = [bench.take(queue) for _ in range(3)]
    assert [(method.redelivered, body) for method, _, body in taken] == [
        (True, b"1"),
        (True, b"2"),
        (False, b"3"),
    ]


@pytest.mark.parametrize("how", ["basic_nack", "basic_reject"])
def test_a_returned_message_comes_again(bench: Bench, how: str) -> None:
    """Nack and reject put a message back unless told otherwise."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1", b"2")
    method, _, _ = channel.basic_get(queue)
    getattr(channel, how)(method.delivery_tag)
    again, _, body = bench.take(queue)
    assert (again.redelivered, body) == (True, b"1")


@pytest.mark.parametrize("how", ["basic_nack", "basic_reject"])
def test_a_refused_message_is_gone(bench: Bench, how: str) -> None:
    """Without a dead-letter exchange a message that is not requeued is dropped."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1")
    method, _, _ = channel.basic_get(queue)
    getattr(channel, how)(method.delivery_tag, requeue=False)
    channel.close()
    assert bench.waiting(queue) == 0


@pytest.mark.parametrize(("tag", "left"), [(2, 1), (0, 0)])
def test_multiple_settles_up_to_a_tag(bench: Bench, tag: int, left: int) -> None:
    """multiple=True means all before too, and with tag 0 all."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1", b"2", b"3")
    for _ in range(3):
        channel.basic_get(queue)
    channel.basic_ack(tag, multiple=True)
    channel.close()
    bench.become(lambda: bench.waiting(queue), left)


def test_a_multiple_nack_returns_all(bench: Bench) -> None:
    """A batch comes back in its order."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1", b"2", b"3")
    for _ in range(3):
        channel.basic_get(queue)
    channel.basic_nack(2, multiple=True)
    bench.become(lambda: bench.waiting(queue), 2)
    assert [bench.take(queue)[2] for _ in range(2)] == [b"1", b"2"]


def test_settling_twice_costs_the_channel(bench: Bench) -> None:
    """A tag is good for one settlement; add_on_close is not told where pika raises."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1")
    channel.basic_get(queue)
    channel.basic_ack(1)
    channel.basic_ack(1)
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.basic_get(queue)
    assert caught.value.reply_text == "PRECONDITION_FAILED - unknown delivery tag 1"


def test_recover_returns_everything(bench: Bench) -> None:
    """basic_recover puts back what the channel holds."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1", b"2")
    for _ in range(2):
        channel.basic_get(queue)
    channel.basic_recover(requeue=True)
    assert bench.waiting(queue) == 2


def test_a_cancelled_consumer_gets_no_more(bench: Bench) -> None:
    """After basic_cancel messages wait; what it holds may still be settled."""
    queue, channel, inbox = bench.queue(), bench.channel(), Inbox()
    bench.put(queue, b"1")
    tag = channel.basic_consume(queue, inbox)
    bench.run(channel, lambda: inbox)
    channel.basic_cancel(tag)
    bench.put(queue, b"2")
    channel.basic_ack(1)
    bench.quiet(channel)
    assert inbox.bodies == [b"1"]
    assert bench.waiting(queue) == 1


def test_the_generator_yields_messages_and_idle_ticks(bench: Bench) -> None:
    """consume() gives a message a step, and three times None after a silence; cancel returns the rest."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1", b"2")
    steps = channel.consume(queue, inactivity_timeout=0.05)
    seen = []
    for method, _, body in steps:
        seen.append(body)
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
    bench.put(queue, b"3", b"4")
    seen.append(next(steps)[2])
    bench.quiet(channel)
    channel.cancel()
    assert seen == [b"1", b"2", None, b"3"]
    channel.close()
    bench.become(lambda: bench.waiting(queue), 2)


def test_start_consuming_runs_until_stopped(bench: Bench) -> None:
    """It dispatches messages as they come, and returns after stop_consuming with the consumer cancelled."""
    queue, channel = bench.queue(), bench.channel()
    bodies: list[bytes] = []

    def work(channel: BlockingChannel, method: Any, _properties: Any, body: bytes) -> None:
        bodies.append(body)
        channel.basic_ack(method.delivery_tag)
        if body == b"1":
            bench.put(queue, b"2")
        else:
            channel.stop_consuming()

    channel.basic_consume(queue, work)
    bench.put(queue, b"1")
    channel.start_consuming()
    assert (bodies, channel.consumer_tags) == ([b"1", b"2"], [])


def test_another_thread_may_ask_for_the_ack(bench: Bench) -> None:
    """add_callback_threadsafe wakes a connection that waits, and runs in its thread."""
    queue, channel = bench.queue(), bench.channel()
    bench.put(queue, b"1")
    ran: list[int] = []

    def settle(tag: int) -> None:
        ran.append(threading.get_ident())
        channel.basic_ack(tag)
        channel.stop_consuming()

    def work(_channel: Any, method: Any, *_: Any) -> None:
        threading.Thread(
            target=channel.connection.add_callback_threadsafe, args=[lambda: settle(method.delivery_tag)]
        ).start()

    channel.basic_consume(queue, work)
    channel.start_consuming()
    channel.close()
    assert (ran, bench.waiting(queue)) == ([threading.get_ident()], 0)


def test_a_message_wakes_a_waiting_consumer(bench: Bench) -> None:
    """A publish from another connection and thread ends the wait of process_data_events."""
    queue, channel, inbox = bench.queue(), bench.channel(), Inbox()
    channel.basic_consume(queue, inbox, auto_ack=True)
    sender = threading.Thread(target=bench.put, args=(queue, b"1"))
    sender.start()
    channel.connection.process_data_events(time_limit=20)
    sender.join()
    assert inbox.bodies == [b"1"]


def test_call_later_runs_in_due_course(bench: Bench) -> None:
    """Timers run in the order of their times, and one that is taken back does not."""
    connection = bench.connection()
    ran: list[str] = []
    connection.call_later(0.04, lambda: ran.append("later"))
    connection.call_later(0, lambda: ran.append("now"))
    connection.remove_timeout(connection.call_later(0.01, lambda: ran.append("never")))
    channel = connection.channel()
    bench.run(channel, lambda: len(ran) == 2)
    assert ran == ["now", "later"]
