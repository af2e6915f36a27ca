"""Messages through a real broker, and the CPU time that publishing, consuming and acknowledging them took."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pika

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = json.dumps({"job": "0f9c", "text": "some work for a consumer " * 16}).encode()
PREFETCH = 100
DEADLINE = 60.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """
    What one round sends.

    Attributes:
        messages: how many in all; each thread sends its share.
        threads: how many publish and consume at once, each on a connection of its own.
        consumers: how many consumers each of them has on its channel.
    """

    messages: int
    threads: int = 1
    consumers: int = 1


def cost(url: str, load: Load) -> float:
    """The CPU time of the process, in µs per message, that `load` took on the broker at `url`."""
    share = load.messages // load.threads
    messages = [_properties() for _ in range(share)]
    with ExitStack() as stack:
        lanes = [stack.enter_context(closing(_Lane(url))) for _ in range(load.threads)]
        pool = stack.enter_context(ThreadPoolExecutor(load.threads))
        published = _cpu(lambda: list(pool.map(lambda lane: lane.publish(messages), lanes)))
        for lane in lanes:
            lane.wait_for(share)
        consumed = _cpu(lambda: list(pool.map(lambda lane: lane.consume(share, load.consumers), lanes)))
    return (published + consumed) * 1e6 / (share * load.threads)


def rehearsed(url: str, load: Load, call: Callable[..., object]) -> None:
    """The same on one thread, the publishing and the consuming each handed to `call`."""
    messages = [_properties() for _ in range(load.messages)]
    with closing(_Lane(url)) as lane:
        call(lane.publish, messages)
        lane.wait_for(load.messages)
        call(lane.consume, load.messages, load.consumers)


class _Lane:
    """One thread's connection, channel and queue."""

    def __init__(self, url: str) -> None:
        parameters = pika.URLParameters(url)
        parameters.heartbeat = 0
        self._connection = pika.BlockingConnection(parameters)
        self._channel = self._connection.channel()
        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._queue = f"jobs-{uuid.uuid4().hex[:8]}"
        self._channel.queue_declare(self._queue, exclusive=True)
        self._left = 0

    def publish(self, messages: list[pika.BasicProperties]) -> None:
        """Send a message with each of these properties."""
        for properties in messages:
            self._channel.basic_publish("", self._queue, BODY, properties)

    def wait_for(self, count: int) -> None:
        """Wait until the broker holds that many messages, so that consuming never has to."""
        deadline = time.monotonic() + DEADLINE
        while self._channel.queue_declare(self._queue, passive=True).method.message_count < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} messages did not reach the broker in {DEADLINE:.0f} s")
            self._connection.sleep(0.01)

    def consume(self, count: int, consumers: int) -> None:
        """Subscribe, and acknowledge that many messages, shared out among the consumers by the broker."""
        self._left = count
        for _ in range(consumers):
            self._channel.basic_consume(self._queue, self._on_message)
        while self._left:
            self._connection.process_data_events(DEADLINE)

    def close(self) -> None:
        """Close the connection, and with it the queue."""
        self._connection.close()

    def _on_message(self, channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)
        self._left -= 1


def _properties() -> pika.BasicProperties:
    return pika.BasicProperties(
        app_id="bench",
        content_type="application/json",
        correlation_id=uuid.uuid4().hex,
        headers={"tenant": "acme", "schema": 3},
        message_id=uuid.uuid4().hex,
        type="job.created",
    )


def _cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
