"""A hundred thousand different headers of every AMQP type: none raises, and little of them is kept."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import TYPE_CHECKING, Any, ClassVar

import pika
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from pika.compat import long

from contract.messaging.headers import CREATION, READ, TELLING, thrown
from voxtrace import _guard
from voxtrace.messaging.propagation import previous_attempt

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Seen, Wire

EXAMPLES = 1200
"""Pairs of tables that hypothesis draws value by value: it seeks the odd, and finds it again and again."""
THROWN = 7500
"""Tables that chance throws: hardly one value comes twice."""

leaves = st.one_of(
    st.sampled_from(TELLING),
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(long),
    st.floats(),
    st.decimals(-1000, 1000, places=2),
    st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)),  # noqa: DTZ001 - as pika writes them
    st.text(max_size=30),
    st.binary(max_size=30),
)
deaths = st.fixed_dictionaries({}, optional=dict.fromkeys(("count", "queue", "reason", "time"), leaves))
values = st.one_of(leaves, leaves, st.lists(leaves | deaths, max_size=3), deaths)
tables = st.tuples(*[values] * len(READ))


class Asked(dict[str, Any]):
    """Headers that note which of them are read by name."""

    names: ClassVar[set[str]] = set()

    def get(self, key: Any, default: Any = None) -> Any:
        """As a dict, and noted."""
        self.names.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        """As a dict, and noted."""
        self.names.add(str(key))
        return super().__contains__(key)


# A failure is reported with all that was drawn, which is long.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_a_hundred_thousand_headers(wire: Wire, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every type that pika decodes: a process span each, no failure even of ours, 8 KiB kept at most."""
    # What is swallowed by the guard is reported: nothing may be, since a failure costs the message its span.
    failures: set[tuple[str, type]] = set()
    monkeypatch.setattr(_guard, "_reported", failures)
    different: set[int] = set()
    delivered = drawn = most = 0

    def work(channel: Any, _method: Any, properties: Any, body: Any) -> None:
        nonlocal most
        parent = getattr(trace.get_current_span(), "parent", None)
        state = parent.trace_state.to_header() if parent else ""
        entries = ",".join(f"{key}={value}" for key, value in baggage.get_all().items())
        previous = previous_attempt(properties.headers)
        most = max(most, len(CREATION) * (bool(parent) + bool(previous)) + len(state) + len(entries.encode()))
        channel.basic_publish("", "again", body, properties)

    wire.blocking.basic_consume("transcribe", work, auto_ack=True, consumer_tag="consumer")

    def deliver(*tables: tuple[Any, ...]) -> None:
        nonlocal delivered, drawn
        for table in tables:
            delivered += 1
            headers = Asked(zip(READ, table, strict=False))
            wire.deliver(pika.BasicProperties(headers=headers), delivery_tag=delivered)
            different.update(hash((type(value), repr(value))) for value in table)
            drawn += len(table)
        kinds = [span.kind for span in seen.raw]
        seen.exporter.clear()
        wire.sent.clear()
        assert kinds.count(trace.SpanKind.CONSUMER) == kinds.count(trace.SpanKind.PRODUCER) == len(tables)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(tables, tables)
    def drawn_by_hypothesis(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
        deliver(one, other)

    drawn_by_hypothesis()
    chance = random.Random(4)  # noqa: S311 - no secret
    for _ in range(THROWN):
        deliver(tuple(thrown(chance) for _ in READ))
    # What is kept comes from the first four, and which of them is how long decides of how much.
    for first_three in itertools.product(TELLING, repeat=3):
        deliver(first_three, (*first_three, CREATION))
    assert drawn >= 130_000
    assert len(different) >= 100_000
    # Written again, some texts are longer than they came.
    assert {action.partition(":")[0] for action, _ in failures} <= {"pass all baggage on"}
    assert 4096 < most <= 8192
    assert READ[0] in Asked.names
    assert set(READ) >= Asked.names
