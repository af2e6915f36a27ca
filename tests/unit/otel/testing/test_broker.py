"""Tests of the in-memory broker beyond what it shares with RabbitMQ (tests/contract/testing)."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ConnectionClosedByBroker, StreamLostError

from voxtrace.testing import CapturedTelemetry, InMemoryBroker

pytest_plugins = ["pytester"]

README = Path(__file__).resolve().parents[4] / "otel" / "README.md"


def ignore(*_: Any) -> None:
    """A consumer that never settles."""


def test_a_published_message_is_traced_to_its_consumer(
    in_memory_broker: InMemoryBroker, telemetry: CapturedTelemetry
) -> None:
    """Channels of the fixture are traced into the test's telemetry; each step has its span."""
    channel = in_memory_broker.channel()
    channel.queue_declare("jobs")
    channel.basic_consume("jobs", lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    channel.basic_publish("", "jobs", b"audio")
    in_memory_broker.drain()
    assert [(span["name"], span["trace"], span.get("parent")) for span in telemetry.spans()] == [
        ("publish jobs", 1, None),
        ("process jobs", 1, 1),
        ("wait jobs", 1, 1),
    ]


def test_the_wait_is_what_was_advanced(
    in_memory_broker: InMemoryBroker, telemetry: CapturedTelemetry
) -> None:
    """Time that the broker is told of passes for spans too."""
    channel = in_memory_broker.channel()
    channel.queue_declare("jobs")
    for seconds in (0, 3600):
        channel.basic_publish("", "jobs", b"audio")
        in_memory_broker.advance(seconds)
        tag = channel.basic_consume("jobs", ignore, auto_ack=True)
        in_memory_broker.drain()
        channel.basic_cancel(tag)
    quick, slow = [span["end"] - span["start"] for span in telemetry.spans() if span["name"] == "wait jobs"]
    assert slow - quick == 3600


def test_closing_the_fixture_ends_what_is_unsettled(pytester: pytest.Pytester) -> None:
    """A message left in hand is no span left open: the broker closes before the spans are counted."""
    pytester.makepyfile(
        """
        def test_open(in_memory_broker):
            channel = in_memory_broker.channel()
            channel.queue_declare("jobs")
            channel.basic_consume("jobs", lambda *_: None)
            channel.basic_publish("", "jobs", b"audio")
            in_memory_broker.drain()
        """
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=1)


def test_the_example_in_the_readme_runs(pytester: pytest.Pytester) -> None:
    """What users are shown passes as it stands there."""
    section = README.read_text(encoding="utf-8").partition("## Test your consumers")[2]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert example
    pytester.makepyfile(example[1])
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)


def test_the_plugin_loads_neither_pika_nor_an_sdk() -> None:
    """It is imported in every pytest run of whoever has the package."""
    code = "import sys, voxtrace.testing; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [name for name in loaded.split() if name.startswith(("pika", "opentelemetry.sdk"))] == []


def test_it_stands_in_for_pikas_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that opens connections itself is none the wiser, and neither is the broker's own."""
    broker = InMemoryBroker()
    monkeypatch.delitem(sys.modules, "voxtrace.testing.connection", raising=False)
    monkeypatch.setattr(pika, "BlockingConnection", broker.connection)
    with pika.BlockingConnection(pika.URLParameters("amqp://guest:guest@nowhere.invalid/%2F")) as connection:
        channel = connection.channel()
        assert isinstance(channel, BlockingChannel)
        channel.queue_declare("jobs")
        assert connection._impl.params.host == "nowhere.invalid"
    assert connection.is_closed


def test_every_channel_is_passed_on() -> None:
    """on_channel gets each channel once, before anything is done with it."""
    channels: list[BlockingChannel] = []
    broker = InMemoryBroker(on_channel=channels.append)
    connection = broker.connection()
    assert [connection.channel(), connection.channel(), broker.channel()] == channels


def test_drain_follows_messages_from_consumer_to_consumer() -> None:
    """Callbacks that publish give others work; with a prefetch of one nothing is left behind."""
    broker = InMemoryBroker()
    done: list[bytes] = []

    def stage(number: int) -> Any:
        def work(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
            channel.basic_publish("", f"stage-{number + 1}", body + b"%d" % number)
            channel.basic_ack(method.delivery_tag)

        return work

    # From the last to the first, so that no connection's turn comes by luck.
    for number in (2, 1, 0):
        channel = broker.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=1)
        channel.queue_declare(f"stage-{number}")
        channel.basic_consume(f"stage-{number}", stage(number))
    channel.queue_declare("stage-3")
    channel.basic_consume("stage-3", lambda *message: done.append(message[3]), auto_ack=True)
    for body in (b"a", b"b", b"c"):
        channel.basic_publish("", "stage-0", body)
    broker.drain()
    assert done == [b"a012", b"b012", b"c012"]


def test_drain_sees_what_was_received_on_the_way() -> None:
    """A confirm takes in deliveries for other consumers of the connection; none is forgotten."""
    broker, seen = InMemoryBroker(), list[bytes]()
    connection = broker.connection()
    for name, other in (("ping", "pong"), ("pong", "ping")):
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=1)
        channel.queue_declare(name)

        def work(channel: Any, method: Any, _: Any, body: bytes, other: str = other) -> None:
            seen.append(body)
            if len(body) < 5:
                channel.basic_publish("", other, body + b"!")
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume(name, work)
    channel.basic_publish("", "ping", b"")
    broker.drain()
    assert seen == [b"!" * count for count in range(6)]


def test_drain_goes_on_after_what_had_been_received_before() -> None:
    """A message that came with a confirm is worked on, and so is the one that its ack lets in."""
    broker, seen = InMemoryBroker(), list[bytes]()
    channel = broker.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=1)
    channel.queue_declare("jobs")

    def work(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        seen.append(body)
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume("jobs", work)
    for body in (b"1", b"2"):
        channel.basic_publish("", "jobs", body)
    broker.drain()
    assert seen == [b"1", b"2"]


def test_drain_gives_up_on_an_endless_loop() -> None:
    """A message that is returned each time would be delivered for ever."""
    broker = InMemoryBroker()
    channel = broker.channel()
    channel.queue_declare("jobs")
    channel.basic_consume("jobs", lambda channel, method, *_: channel.basic_nack(method.delivery_tag))
    channel.basic_publish("", "jobs", b"poison")
    with pytest.raises(RuntimeError, match="Is a message requeued each time"):
        broker.drain()


def test_drain_passes_on_what_a_callback_raises() -> None:
    """A consumer's error reaches the test, as it would leave start_consuming."""
    broker = InMemoryBroker()
    channel = broker.channel()
    channel.queue_declare("jobs")

    def work(*_: Any) -> None:
        raise ValueError("no audio")

    channel.basic_consume("jobs", work)
    channel.basic_publish("", "jobs", b"")
    with pytest.raises(ValueError, match="no audio"):
        broker.drain()


def test_time_passes_when_told_to() -> None:
    """TTLs and timers follow `advance`, and deaths are dated by the broker's clock."""
    broker = InMemoryBroker(clock=lambda: 1000.0)
    channel, ran = broker.channel(), list[str]()
    channel.queue_declare("dead")
    channel.queue_declare(
        "jobs",
        arguments={
            "x-message-ttl": 60_000,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "dead",
        },
    )
    channel.basic_publish("", "jobs", b"audio")
    channel.connection.call_later(60, lambda: ran.append("timer"))
    broker.advance(59.5)
    broker.drain()
    assert (channel.basic_get("dead")[0], ran) == (None, [])
    broker.advance(0.5)
    broker.drain()
    _, properties, _ = channel.basic_get("dead")
    assert ran == ["timer"]
    assert properties.headers["x-death"][0]["time"] == datetime.fromtimestamp(1060, UTC)


def test_a_consumer_that_waits_sees_time_pass() -> None:
    """`advance` wakes another thread that waits in start_consuming."""
    broker = InMemoryBroker(clock=lambda: 0.0)
    bodies: list[bytes] = []
    waiting = threading.Event()

    def consume() -> None:
        channel = broker.channel()
        channel.queue_declare("dead")
        channel.queue_declare(
            "jobs", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
        )
        channel.basic_publish("", "jobs", b"audio", pika.BasicProperties(expiration="60000"))

        def work(channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
            bodies.append(body)
            channel.stop_consuming()

        channel.basic_consume("dead", work, auto_ack=True)
        waiting.set()
        channel.start_consuming()
        channel.connection.close()

    thread = threading.Thread(target=consume)
    thread.start()
    assert waiting.wait(20)
    broker.advance(60)
    thread.join(20)
    assert (bodies, thread.is_alive()) == ([b"audio"], False)


def test_heartbeats_survive_the_advance() -> None:
    """A client that asks for heartbeats is answered, however far the clock jumps."""
    broker = InMemoryBroker()
    connection = broker.connection(pika.ConnectionParameters(heartbeat=2))
    for _ in range(5):
        broker.advance(60)
        broker.drain()
    assert connection.is_open


def test_a_dropped_connection_is_lost_to_the_client() -> None:
    """Clients get StreamLostError and their close callbacks; what they held comes again."""
    broker = InMemoryBroker()
    channel = broker.channel()
    channel.queue_declare("jobs")
    channel.basic_publish("", "jobs", b"audio")
    channel.basic_consume("jobs", ignore)
    broker.drain()
    reasons: list[str] = []
    channel._impl.add_on_close_callback(lambda _channel, reason: reasons.append(type(reason).__name__))
    broker.drop_connections()
    with pytest.raises(StreamLostError):
        channel.connection.process_data_events()
    assert (reasons, channel.is_closed) == (["StreamLostError"], True)
    method, _, body = broker.channel().basic_get("jobs")
    assert (method.redelivered, body) == (True, b"audio")


@pytest.mark.parametrize(
    "deaths", ["text", [1, {"a": 1}], [{"queue": "jobs", "reason": "rejected", "count": "x"}]]
)
def test_a_strangers_deaths_do_no_harm(deaths: object) -> None:
    """Anyone may write an x-death header; a senseless one does not stop a message from dying."""
    channel = InMemoryBroker().channel()
    channel.queue_declare("dead")
    channel.queue_declare(
        "jobs", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    )
    channel.basic_publish("", "jobs", b"audio", pika.BasicProperties(headers={"x-death": deaths}))
    channel.basic_get("jobs")
    channel.basic_reject(1, requeue=False)
    _, properties, _ = channel.basic_get("dead")
    assert properties.headers["x-death"][0]["count"] == 1


def test_transactions_are_refused() -> None:
    """What is not modelled says so, rather than doing nothing."""
    with pytest.raises(ConnectionClosedByBroker, match=r"Tx\.Select is not modelled in memory"):
        InMemoryBroker().channel().tx_select()


def test_closing_frees_a_consumer_in_another_thread() -> None:
    """close() ends the wait of a thread that was left behind: its connection is lost."""
    broker = InMemoryBroker()
    waiting, errors = threading.Event(), list[str]()

    def consume() -> None:
        channel = broker.channel()
        channel.queue_declare("jobs")
        channel.basic_consume("jobs", ignore)
        waiting.set()
        try:
            channel.start_consuming()
        except StreamLostError as error:
            errors.append(str(error))

    thread = threading.Thread(target=consume)
    thread.start()
    assert waiting.wait(20)
    broker.close()
    thread.join(20)
    assert errors == ["Stream connection lost: the in-memory broker dropped it"]


def test_many_threads_lose_nothing() -> None:
    """Producers and consumers on connections of their own settle every message once."""
    broker, taken, lock = InMemoryBroker(), list[bytes](), threading.Lock()
    broker.channel().queue_declare("jobs")

    def produce(number: int) -> None:
        channel = broker.channel()
        channel.confirm_delivery()
        for index in range(50):
            channel.basic_publish("", "jobs", b"%d-%d" % (number, index))

    def consume() -> None:
        channel = broker.channel()
        channel.basic_qos(prefetch_count=3)

        def work(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
            with lock:
                taken.append(body)
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume("jobs", work)
        deadline = time.monotonic() + 20
        while len(taken) < 200 and time.monotonic() < deadline:
            channel.connection.process_data_events(time_limit=0.01)

    threads = [threading.Thread(target=produce, args=[number]) for number in range(4)]
    threads += [threading.Thread(target=consume) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(taken) == sorted(b"%d-%d" % (number, index) for number in range(4) for index in range(50))
