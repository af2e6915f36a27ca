"""Hostile headers, and the consumers that find them on their queue whenever they start."""

from __future__ import annotations

import decimal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pika
import pytest

from contract.messaging.adapters.registry import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.messaging.children import Child
    from voxtrace_services.native import RabbitMQ

RESTARTS = 25
WAYS = [name for name in ADAPTERS if name != "memory"]
"""Every way of this pika to take messages from a broker that outlives a process."""
MEGABYTE = 1_000_000
#: One frame must hold all headers; RabbitMQ's own limit is 128 KiB, and its owner may raise it.
LARGE_FRAME = 4 * 1024 * 1024

READ_BY_US = (
    "traceparent",
    "tracestate",
    "baggage",
    "voxtrace-enqueued-at",
    "voxtrace-previous",
    "timestamp_in_ms",
    "x-attempt",
    "x-death",
    "x-delivery-count",
    "x-exception-type",
)
OF_EVERY_TYPE: list[Any] = [
    7,
    -(2**62),
    True,
    None,
    b"\xff\xfe",
    b"",
    "",
    "\x00\r\n",
    "x" * 100_000,
    [1, "a", [None]],
    {"a": {"b": [1]}},
    decimal.Decimal("1.5"),
    f"00-{0:032x}-{0:016x}-01",
]
#: A tracestate is looked at only beside a traceparent that is in order.
VALID = {"traceparent": f"00-{1:032x}-{1:016x}-01"}
FALSE_DEATHS: list[Any] = [
    [{}],
    [{"count": -1, "queue": 7, "reason": ["rejected"], "time": "now"}],
    [{"count": "many", "queue": None, "reason": "x" * 50_000}],
    [{"count": 2**62, "queue": "q"}, {"count": 2**62, "queue": "q"}, 7, None, [[]]],
    [{"count": 1, "queue": "q", "reason": "expired"}] * 2000,
]
HOSTILE: list[dict[str, Any]] = [
    *({header: value} for header in READ_BY_US for value in OF_EVERY_TYPE),
    *({**VALID, header: value} for header in ("tracestate", "baggage") for value in OF_EVERY_TYPE),
    *({"x-death": value} for value in FALSE_DEATHS),
    *({header: kind * MEGABYTE} for header in READ_BY_US[:5] for kind in ("x", b"\xff")),
]


@contextmanager
def large_frames(broker: RabbitMQ) -> Iterator[pika.URLParameters]:
    """Parameters of a client that may send headers of megabytes."""
    broker.control("eval", f"application:set_env(rabbit, frame_max, {LARGE_FRAME}).")
    usual = pika.spec.FRAME_MAX_SIZE
    pika.spec.FRAME_MAX_SIZE = LARGE_FRAME
    try:
        parameters = pika.URLParameters(broker.url)
        parameters.frame_max = LARGE_FRAME
        yield parameters
    finally:
        pika.spec.FRAME_MAX_SIZE = usual
        broker.control("eval", f"application:set_env(rabbit, frame_max, {usual}).")


def no_restart_crashes(rabbitmq: RabbitMQ, name: str, run: Callable[..., Child], adapter: str) -> None:
    """Put every hostile message on a queue and start process after process that takes them from there."""
    with large_frames(rabbitmq) as parameters, pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number, headers in enumerate(HOSTILE):
            channel.basic_publish("", name, str(number).encode(), pika.BasicProperties(headers=headers))
    everything = [str(number) for number in range(len(HOSTILE))]
    for restart in range(1, RESTARTS + 1):
        settle = "ack" if restart == RESTARTS else "keep"
        consumer = run("restarted", "voxtrace", adapter, rabbitmq.url, name, len(HOSTILE), settle)
        taken = consumer.says()
        assert (restart, consumer.end()) == (restart, 0), consumer.errors
        assert "voxtrace" not in consumer.errors.lower()  # where the guard reports what it caught
        assert taken == {"bodies": everything, "spans": len(HOSTILE)}
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        assert connection.channel().queue_declare(name, passive=True).method.message_count == 0


@pytest.mark.parametrize("adapter", WAYS)
def test_hostile_headers_crash_no_restart(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child], adapter: str
) -> None:
    """Of 25 processes that find the same hostile messages, each takes every one, and none crashes."""
    no_restart_crashes(rabbitmq, queue(), run, adapter)


@pytest.mark.parametrize("headers", [{"traceparent": 7}, {**VALID, "tracestate": True}, {"baggage": ["a"]}])
def test_upstream_crashes_at_every_restart(
    rabbitmq: RabbitMQ, queue: Callable[..., str], run: Callable[..., Child], headers: dict[str, Any]
) -> None:
    """The control: one such message kills each process that upstream traces, and waits for the next."""
    name = queue()
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", name, b"0", pika.BasicProperties(headers=headers))
        for _ in range(3):
            consumer = run("restarted", "upstream", "blocking", rabbitmq.url, name, 1, "ack")
            assert consumer.says() is None
            assert consumer.end() == 1
            assert "propagate.extract" in consumer.errors
        assert channel.queue_declare(name, passive=True).method.message_count == 1
