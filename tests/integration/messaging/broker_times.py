"""The broker's own times: when it took a message, and when it gave it to a consumer."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pika

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace_services.native import RabbitMQ

_INTERCEPTOR = Path(__file__).with_name("timestamp.erl")


def stamp_messages(broker: RabbitMQ) -> None:
    """Have the broker write `timestamp_in_ms` into every message, for as long as it runs."""
    broker.control(
        "eval",
        f'{{ok, Module, Code}} = compile:file("{_INTERCEPTOR}", [binary]), '
        '{module, Module} = code:load_binary(Module, "timestamp.erl", Code), '
        'rabbit_registry:register(channel_interceptor, <<"timestamp">>, Module).',
    )


class Firehose:
    """
    What the broker tells about each message as it takes and as it delivers it.

    It tells no time, so the times (ns) are those of hearing it; both are late by the same way, and the wait
    between the two is the broker's.
    """

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self.given: dict[str, int] = {}

    def note(self, routing_key: str, message_id: str | None, heard: int) -> None:
        """Remember one event."""
        if message_id is not None:
            (self.taken if routing_key.startswith("publish.") else self.given)[message_id] = heard

    def wait(self, message_id: str) -> int:
        """How long the broker had a message, in ns."""
        return self.given[message_id] - self.taken[message_id]


@contextmanager
def firehose(broker: RabbitMQ) -> Iterator[Firehose]:
    """Listen to the broker's firehose; slows the broker, so not for one that others use."""
    heard = Firehose()
    broker.control("trace_on")
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.rabbitmq.trace", "#")

    def on_event(
        _channel: object, method: pika.spec.Basic.Deliver, properties: pika.BasicProperties, _body: bytes
    ) -> None:
        now = time.time_ns()
        heard.note(method.routing_key, properties.headers["properties"].get("message_id"), now)

    channel.basic_consume(queue, on_event, auto_ack=True)
    thread = threading.Thread(target=channel.start_consuming)
    thread.start()
    yield heard
    connection.add_callback_threadsafe(channel.stop_consuming)
    thread.join(20)
    connection.close()
