"""Queues that vanish with their test, and child processes that do not outlive it."""

from __future__ import annotations

import itertools
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pika
import pytest

from integration.messaging.children import INSTRUMENT, PROGRAMS, Child
from integration.otel.conftest import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from voxtrace_services.native import RabbitMQ


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Start one of the programs; `traced` puts it under opentelemetry-instrument."""
    children: list[Child] = []
    numbers = itertools.count()

    def run(program: str, *arguments: object, traced: bool = False, **environment: str) -> Child:
        argv = [sys.executable, str(PROGRAMS / f"{program}.py"), *map(str, arguments)]
        errors = tmp_path / f"{program}-{next(numbers)}.err"
        children.append(Child([INSTRUMENT, *argv] if traced else argv, environment, errors))
        return children[-1]

    yield run
    for child in children:
        child.stop()


@pytest.fixture(name="queue")
def _queue(rabbitmq: RabbitMQ) -> Iterator[Callable[..., str]]:
    """Declare queues on the session's broker."""
    names: list[str] = []
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()

        def declare(name: str = "messaging", **arguments: Any) -> str:
            names.append(f"{name}-{uuid.uuid4().hex[:8]}")
            channel.queue_declare(names[-1], durable=True, arguments=arguments)
            return names[-1]

        yield declare
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        for name in names:
            channel.queue_delete(name)


@pytest.fixture(name="sink")
def _sink() -> Iterator[Sink]:
    """A Collector that takes everything."""
    sink = Sink()
    yield sink
    sink.close()
