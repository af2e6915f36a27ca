"""
Real parts for tests, as private processes on free ports.

A part that this machine lacks is a failure with an install command, never a skip.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from voxtrace_services.native import Observability, Ports, RabbitMQ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_configure() -> None:
    """Hear Ctrl-C, and let the children of tests hear it: a shell starts background jobs deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """One broker for the whole session: use `.url`, and leave no queue behind."""
    broker = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), ports=Ports.free())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def private_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], RabbitMQ]]:
    """A factory of brokers for one test, which may `.stop()`, `.start()` and `.kill()` them."""
    brokers: list[RabbitMQ] = []

    def make() -> RabbitMQ:
        broker = RabbitMQ(tmp_path_factory.mktemp("private-rabbitmq"), ports=Ports.free())
        brokers.append(broker)
        broker.start()
        return broker

    yield make
    for broker in brokers:
        broker.stop()


@pytest.fixture(scope="session")
def observability(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observability]:
    """Collector, Jaeger and Prometheus for the whole session; use service names of your own."""
    # In memory: on disk Jaeger keeps the links of a span without what they say.
    env = {"jaeger": {"VOXTRACE_JAEGER_STORAGE": "memory"}}
    with Observability(tmp_path_factory.mktemp("observability"), ports=Ports.free(), env=env) as group:
        yield group
