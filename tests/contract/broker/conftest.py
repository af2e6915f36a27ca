"""Each contract test runs on the in-memory broker and on a real RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.broker.harness import Harness, Memory, Rabbit


@pytest.fixture(name="rabbit")
def _rabbit(request: pytest.FixtureRequest) -> Iterator[Rabbit]:
    """The real one alone, empty."""
    rabbit = Rabbit(request.getfixturevalue("rabbitmq").url)
    rabbit.purge()
    yield rabbit
    rabbit.close()


@pytest.fixture(name="harness", params=["memory", "rabbitmq"])
def _harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """Both in turn."""
    if request.param == "rabbitmq":
        yield request.getfixturevalue("rabbit")
    else:
        yield Memory()
