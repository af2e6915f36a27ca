"""A hundred thousand headers of every AMQP type: none raises, and little of them is kept."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any, ClassVar

import pika
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from pika.compat import long

from voxtrace import _guard
from voxtrace.messaging.propagation import previous_attempt

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Seen, Wire

CREATION = f"00-{9:032x}-{8:016x}-01"
READ = (
    "traceparent",
    "tracestate",
    "baggage",
    "voxtrace-previous",
    "voxtrace-enqueued-at",
    "timestamp_in_ms",
    "x-attempt",
    "x-delivery-count",
    "x-exception-type",
    "x-death",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-queue",
    "x-last-death-reason",
)
TABLES = 80
EXAMPLES = 100

telling = st.sampled_from([
    CREATION,
    CREATION.encode(),
    f"{CREATION}-later",
    f"cc-{9:032x}-{8:016x}-03-{'x' * 8000}",
    f"cc-{9:032x}-{8:016x}-03-{' ' * 8000}\n.",
    "a=b,c=d",
    ",".join(f"k{number}={'v' * 250}" for number in range(31)),
    f"k={'v' * 4000},l={'%C3%A4' * 600}",
    f"k={'!' * 4000},l={'!' * 4000}",
    f"k={'v' * 4094},l={'v' * 4093}",
    ",".join(f"k{number}=v" for number in range(200)),
    f"k={' ' * 8000}.",
    "k=v;p=1;q,=,,",
    "ä=ö",
    "x" * 8192,
    "y" * 8193,
    b"x" * 10_000,
    "rejected",
])  # fmt: skip
leaves = st.one_of(
    telling,
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
    delivered = headers_seen = most = 0

    def work(channel: Any, _method: Any, properties: Any, body: Any) -> None:
        nonlocal most
        parent = getattr(trace.get_current_span(), "parent", None)
        state = parent.trace_state.to_header() if parent else ""
        entries = ",".join(f"{key}={value}" for key, value in baggage.get_all().items())
        previous = previous_attempt(properties.headers)
        most = max(most, len(CREATION) * (bool(parent) + bool(previous)) + len(state) + len(entries.encode()))
        channel.basic_publish("", "again", body, properties)

    wire.blocking.basic_consume("transcribe", work, auto_ack=True, consumer_tag="consumer")

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(pool=st.lists(values, min_size=40, max_size=60), seed=st.integers(0, 2**32))
    def deliver(pool: list[Any], seed: int) -> None:
        nonlocal delivered, headers_seen
        # Drawn by hypothesis one by one they would take a minute; so it draws some, and all are mixed.
        chance = random.Random(seed)  # noqa: S311 - no secret
        for _ in range(TABLES):
            table = {name: chance.choice(pool) for name in READ}
            wire.deliver(pika.BasicProperties(headers=Asked(table)), delivery_tag=delivered + 1)
            delivered += 1
            headers_seen += len(table)
        kinds = [span.kind for span in seen.raw]
        seen.exporter.clear()
        wire.sent.clear()
        assert kinds.count(trace.SpanKind.CONSUMER) == kinds.count(trace.SpanKind.PRODUCER) == TABLES

    deliver()
    assert headers_seen >= 100_000
    # Written again, some texts are longer than they came.
    assert {action.partition(":")[0] for action, _ in failures} <= {"pass all baggage on"}
    assert 4096 < most <= 8192
    assert READ[0] in Asked.names
    assert set(READ) >= Asked.names
