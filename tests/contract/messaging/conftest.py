"""Pika traced by us or by upstream, on the session's broker, used by one adapter or another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.messaging.adapters.adapter import looks
from contract.messaging.adapters.memory import Memory
from contract.messaging.adapters.registry import ADAPTERS
from contract.messaging.bench import DEADLINE, Bench
from voxtrace.messaging import PikaInstrumentor
from voxtrace.testing import InMemoryBroker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Pika traced by us, with no span left open; the adapter is the parameter's, or the blocking one."""
    adapter = ADAPTERS[getattr(request, "param", "blocking")]
    site = InMemoryBroker() if adapter is Memory else request.getfixturevalue("rabbitmq").url
    bench = Bench(site, adapter, PikaInstrumentor())
    bench.instrument()
    yield bench
    bench.clear_away()
    # Before pika is put back, which ends what it finds. Channels close in threads of theirs, too.
    any(not bench.open_spans.names for _ in looks(DEADLINE))
    left = bench.open_spans.names
    bench.instrumentor.uninstrument()
    assert left == [], "left open"
