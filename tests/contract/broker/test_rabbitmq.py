"""What only a real RabbitMQ can show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import pytest

from contract.broker.harness import Rabbit, Recorder, consuming, request, until
from voxtrace_services.core.broker import BrokerUnavailableError, Delivery, Outgoing
from voxtrace_services.core.rabbitmq import RabbitMQBroker
from voxtrace_services.core.retries import RetryPolicy


class Server(Protocol):
    """A broker to stop and start."""

    url: str

    def start(self) -> None:
        """Start."""

    def stop(self) -> None:
        """Stop."""


def test_heartbeat_is_kept_during_work(rabbit: Rabbit) -> None:
    """Work of five heartbeats' length is done once, on the connection it came by."""
    broker = rabbit.open(heartbeat=2)
    broker.publish(request())

    def work(_delivery: Delivery) -> Sequence[Outgoing]:
        time.sleep(10)
        return [request("translate")]

    handler = Recorder(work)
    taken: list[Delivery] = []
    with consuming(broker, "transcribe", handler):
        until(lambda: taken.extend(rabbit.take("translate")) or taken, within=30)
    assert len(handler.seen) == len(taken) == 1
    assert rabbit.take("transcribe") == []


def test_publisher_outlives_its_connection(rabbit: Rabbit) -> None:
    """A publisher whose connection was cut opens another one by itself."""
    broker = rabbit.open()
    broker.publish(request())
    rabbit.drop_connections()
    broker.publish(request())
    assert len(rabbit.take("transcribe")) == 2


def test_publisher_outlives_idleness(rabbit: Rabbit) -> None:
    """A publisher that was idle for longer than the broker's patience goes on."""
    broker = rabbit.open(heartbeat=1)
    broker.publish(request())
    time.sleep(5)
    broker.publish(request())
    assert len(rabbit.take("transcribe")) == 2


def test_nobody_there() -> None:
    """Without a broker, publishing and the check fail within a second, by our own error."""
    broker = RabbitMQBroker("amqp://guest:guest@127.0.0.1:1/%2F", policy=RetryPolicy(()))
    started = time.monotonic()
    with pytest.raises(BrokerUnavailableError, match="is it up"):
        broker.publish(request())
    with pytest.raises(BrokerUnavailableError, match="is it up"):
        broker.check()
    assert time.monotonic() - started < 2


def test_stop_while_nobody_is_there() -> None:
    """A consumer that looks for its broker stops when told."""
    broker = RabbitMQBroker("amqp://guest:guest@127.0.0.1:1/%2F", policy=RetryPolicy(()))
    with consuming(broker, "transcribe", Recorder()):
        until(lambda: broker._consumers)
        with pytest.raises(BrokerUnavailableError, match="not consuming transcribe"):
            broker.check()


def test_restart(private_rabbitmq: Callable[[], Server]) -> None:
    """Over a broker's restart a consumer comes back, and no message is lost."""
    server = private_rabbitmq()
    broker = RabbitMQBroker(server.url, policy=RetryPolicy(()))
    seen: list[bytes] = []
    lock = threading.Lock()

    def work(delivery: Delivery) -> Sequence[Outgoing]:
        with lock:
            seen.append(delivery.body)
        return []

    broker.publish(request("translate", body=b"kept"))
    with consuming(broker, "transcribe", work):
        broker.publish(request(body=b"before"))
        until(lambda: seen == [b"before"])
        server.stop()
        with pytest.raises(BrokerUnavailableError):
            broker.publish(request(body=b"during"))
        server.start()
        broker.publish(request(body=b"after"))
        until(lambda: seen == [b"before", b"after"])
    kept: list[Delivery] = []
    until(lambda: kept.extend(Rabbit(server.url).take("translate")) or kept)
    assert [delivery.body for delivery in kept] == [b"kept"]
    broker.close()
