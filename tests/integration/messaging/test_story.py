"""
Retry, retry, dead letter, replay: one message's story, read back from Jaeger as one trace.

The programs in `orders` know nothing of telemetry. With `-s` the test shows the trace as a terminal shows it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker
from rich.console import Console

from integration.messaging.children import INSTRUMENT, Child
from voxtrace_services.cli.backend import Backend
from voxtrace_services.cli.trace import Trace
from voxtrace_services.cli.waterfall import Waterfall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from voxtrace_services.native import Observability, RabbitMQ

ORDERS = Path(__file__).parent / "orders"
DEADLINE = 60.0
OURS = "voxtrace.messaging."
#: Differ from run to run; tests/integration/messaging/test_waits.py holds them.
TIMES = {f"{OURS}wait.broker", f"{OURS}wait.prefetch"}


class Step(NamedTuple):
    """A span: where it is in the tree, and what it tells of its message beside what every span tells."""

    depth: int
    service: str
    kind: str
    name: str
    told: dict[str, Any]
    error: str | None = None
    links: tuple[tuple[int, str | None], ...] = ()
    """The line of the span that it is linked to, and why."""


NEW = {"queue.name": "orders.new"}
DEAD = {"queue.name": "orders.dead"}
#: What RabbitMQ wrote into the message, after each of the two refusals.
DIED = {
    "death.queue": "orders.retry",
    "death.reason": "expired",
    "death.first.queue": "orders.new",
    "death.first.reason": "rejected",
}
REJECTED = {**NEW, "settlement": "reject"}
CREATED = (0, None)

STORY = [
    Step(0, "shop", "PRODUCER", "publish orders:order", {}),
    Step(1, "kitchen", "INTERNAL", "wait orders.new", {**NEW, "wait.source": "producer"}),
    Step(
        1,
        "kitchen",
        "CONSUMER",
        "process orders:order:orders.new",
        {**REJECTED, "delivery.attempt": 1, "redelivered": False},
        error="rejected",
        links=(CREATED,),
    ),
    Step(2, "kitchen", "CLIENT", "reject orders:order:orders.new", REJECTED, links=(CREATED,)),
    Step(
        1,
        "kitchen",
        "CONSUMER",
        "process orders:order:orders.new",
        {**REJECTED, **DIED, "death.count": 2, "delivery.attempt": 2, "redelivered": False},
        error="rejected",
        links=(CREATED, (2, "previous_attempt")),
    ),
    Step(2, "kitchen", "CLIENT", "reject orders:order:orders.new", REJECTED, links=(CREATED,)),
    Step(
        1,
        "kitchen",
        "CONSUMER",
        "process orders:order:orders.new",
        {
            **NEW,
            **DIED,
            "death.count": 4,
            "delivery.attempt": 3,
            "redelivered": False,
            "settlement": "ack",
        },
        error="ValueError",
        links=(CREATED, (4, "previous_attempt")),
    ),
    Step(2, "kitchen", "PRODUCER", "publish orders.dead", {}, links=(CREATED,)),
    Step(1, "clerk", "INTERNAL", "wait orders.dead", {**DEAD, "wait.source": "producer"}),
    Step(
        1,
        "clerk",
        "CONSUMER",
        "process orders.dead",
        {
            **DEAD,
            **DIED,
            "death.count": 4,
            "delivery.attempt": 3,
            "redelivered": False,
            "settlement": "ack",
        },
        links=(CREATED, (6, "previous_attempt")),
    ),
    Step(2, "clerk", "PRODUCER", "publish orders:order", {}, links=(CREATED,)),
    Step(1, "kitchen", "INTERNAL", "wait orders.new", {**NEW, "wait.source": "producer"}),
    Step(
        1,
        "kitchen",
        "CONSUMER",
        "process orders:order:orders.new",
        {**NEW, "delivery.attempt": 1, "redelivered": False, "settlement": "ack"},
        links=(CREATED, (9, "previous_attempt")),
    ),
]


@pytest.fixture(name="orders")
def _orders(
    rabbitmq: RabbitMQ, observability: Observability, tmp_path: Path
) -> Iterator[Callable[[str], Child]]:
    """Start one of the strangers' programs, as its owner would, plus one word."""
    children: list[Child] = []

    def start(name: str) -> Child:
        environment = {
            "AMQP_URL": rabbitmq.url,
            "OTEL_SERVICE_NAME": name,
            "OTEL_EXPORTER_OTLP_ENDPOINT": observability.otlp_endpoint,
        }
        argv = [INSTRUMENT, sys.executable, str(ORDERS / f"{name}.py")]
        children.append(Child(argv, environment, tmp_path / f"{name}.err"))
        return children[-1]

    yield start
    for child in children:
        child.stop()
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        for queue in ("orders.new", "orders.retry", "orders.dead"):
            channel.queue_delete(queue)
        channel.exchange_delete("orders")


def consumers(url: str, queue: str) -> int:
    """How many consume from a queue; 0 where there is no queue yet."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        try:
            return int(connection.channel().queue_declare(queue, passive=True).method.consumer_count)
        except ChannelClosedByBroker:
            return 0


def until(holds: Callable[[], object]) -> None:
    """Poll until something is so, or the deadline."""
    deadline = time.monotonic() + DEADLINE
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.2)


def linked(document: dict[str, Any]) -> dict[str, list[tuple[str, str | None]]]:
    """By span id the span ids of its links with their reasons; none may leave the trace."""
    found = {}
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                links = span.get("links", [])
                assert {link["traceId"] for link in links} <= {span["traceId"]}
                found[span["spanId"]] = [(link["spanId"], reason(link)) for link in links]
    return found


def reason(link: dict[str, Any]) -> str | None:
    """Why a link was made."""
    told = {each["key"]: each["value"]["stringValue"] for each in link.get("attributes") or ()}
    assert told.keys() <= {"voxtrace.link.reason"}
    return told.get("voxtrace.link.reason")


def steps(trace: Trace, links: dict[str, list[tuple[str, str | None]]]) -> list[Step]:
    """A trace as the story tells it."""
    line = {row.span.span_id: number for number, row in enumerate(trace.rows)}
    return [
        Step(
            depth=row.depth,
            service=row.span.service,
            kind=row.span.kind,
            name=row.span.name,
            told={
                name.removeprefix(OURS): value
                for name, value in row.span.attributes.items()
                if name.startswith(OURS) and name not in TIMES
            },
            error=row.span.attributes["error.type"] if row.span.error else None,
            links=tuple((line[target], why) for target, why in links[row.span.span_id]),
        )
        for row in trace.rows
    ]


def test_retries_dead_letter_and_replay_are_one_trace(
    rabbitmq: RabbitMQ, observability: Observability, orders: Callable[[str], Child]
) -> None:
    """Every attempt, the dead letter and the replay are in the sender's trace, linked to what came before."""
    for name, queue in (("kitchen", "orders.new"), ("clerk", "orders.dead")):
        orders(name)
        until(lambda queue=queue: consumers(rabbitmq.url, queue))
    shop = orders("shop")
    assert shop.end() == 0, shop.errors
    jaeger = Backend(name="jaeger", url=observability.jaeger_url)
    found: list[Trace] = []

    def whole() -> bool:
        trace = jaeger.newest("shop", "publish orders:order")
        found[:] = [trace] if trace else []
        return bool(trace and len(trace.spans) >= len(STORY) and not trace.orphans)

    until(whole)
    (trace,) = found
    Console(width=120).print(Waterfall(trace=trace))
    document = jaeger.document(trace.trace_id)
    assert document is not None
    assert steps(trace, linked(document)) == STORY
    assert {span.attributes["messaging.message.id"] for span in trace.spans if span.kind != "CLIENT"} == {
        "order-1"
    }
