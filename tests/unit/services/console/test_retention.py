"""How long things are kept, by a clock that the test holds."""

import random

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint

from unit.services.console.conftest import Clock
from unit.services.console.samples import NOW, SECOND, logs, metrics, span, traces
from voxtrace_services.console.query import Query, Signals
from voxtrace_services.console.retention import Retention
from voxtrace_services.console.rows import from_logs, from_metrics, from_traces
from voxtrace_services.console.store import Store

HOUR = 3600 * SECOND
PLENTY = 10**12
SPANS = 1000


def test_age_counts_from_receipt(store: Store, clock: Clock) -> None:
    """Every signal goes when it was received longer ago than the bound, whatever its own time says."""
    retention = Retention(store, hours=2, max_bytes=PLENTY, clock=clock)
    # The span claims to be decades old and the record of the far future: neither matters.
    store.write(from_traces(traces([span(start=-1e9)]), NOW))
    store.write(from_logs(logs([LogRecord(time_unix_nano=2**63)]), NOW))
    store.write(from_metrics(metrics([Metric(name="m", gauge=Gauge(data_points=[NumberDataPoint()]))]), NOW))
    store.write(from_logs(logs([LogRecord()]), NOW + HOUR))
    clock.ns = NOW + 2 * HOUR
    assert retention.run() == 0
    clock.ns += 1
    assert retention.run() == 3
    assert Query(store).signals() == [Signals(service="gateway", spans=0, metric_points=0, log_records=1)]
    clock.ns = NOW + 4 * HOUR
    assert retention.run() == 1
    assert retention.run() == 0


def test_a_trace_goes_as_a_whole(store: Store, clock: Clock) -> None:
    """As long as one span of a trace is young enough, none of its spans goes."""
    retention = Retention(store, hours=1, max_bytes=PLENTY, clock=clock)
    store.write(from_traces(traces([span(trace=1, number=1), span(trace=2, number=1)]), NOW))
    store.write(from_traces(traces([span(trace=1, number=2)]), NOW + HOUR))
    clock.ns = NOW + HOUR + 1
    assert retention.run() == 1
    query = Query(store)
    assert query.trace("2".zfill(32)) is None
    trace = query.trace("1".zfill(32))
    assert trace is not None
    assert len(trace.resource_spans[0].scope_spans[0].spans) == 2
    clock.ns = NOW + 2 * HOUR + 1
    assert retention.run() == 2
    assert query.services() == []


def fill(store: Store, clock: Clock, batches: int) -> None:
    """Write spans of incompressible content, a second apart; about 1 MB a batch."""
    source = random.Random(5)  # noqa: S311 - noise, not secrets
    for _ in range(batches):
        made = [
            span(trace=source.getrandbits(127) + 1, attributes={"noise": source.randbytes(300)})
            for _ in range(SPANS)
        ]
        store.write(from_traces(traces(made), clock()))
        clock.ns += SECOND


def test_size_is_brought_below_the_bound_oldest_first(store: Store, clock: Clock) -> None:
    """Above the bound the oldest rows go until the data on disk is below it, and not many more."""
    fill(store, clock, 20)
    store.reclaim()
    bound = store.used_bytes() * 3 // 4
    retention = Retention(store, hours=1000, max_bytes=bound, clock=clock)
    deleted = retention.run()
    assert store.used_bytes() <= bound
    with store.cursor() as cursor:
        kept = cursor.execute(
            "SELECT received_ns, count(*) FROM spans GROUP BY received_ns ORDER BY received_ns"
        ).fetchall()
    assert len(kept) == 20 - deleted / SPANS
    assert kept == [(NOW + second * SECOND, SPANS) for second in range(20 - len(kept), 20)]
    # Two thirds would do; what goes beyond that is gone for the sake of whole blocks.
    assert len(kept) >= 11
    assert retention.run() == 0


def test_the_file_does_not_grow_for_ever(store: Store, clock: Clock) -> None:
    """With retention at work the file levels off, however much is received."""
    retention = Retention(store, hours=1000, max_bytes=6_000_000, clock=clock)
    sizes = []
    for _ in range(6):
        fill(store, clock, 5)
        retention.run()
        sizes.append(store.path.stat().st_size)
    assert max(sizes[3:]) <= 1.3 * max(sizes[:3])


def test_a_bound_that_nothing_can_meet_ends(store: Store, clock: Clock) -> None:
    """A bound below the size of an empty database deletes everything and does not hang."""
    fill(store, clock, 1)
    assert Retention(store, hours=1000, max_bytes=1, clock=clock).run() == SPANS
    assert store.used_bytes() > 1
