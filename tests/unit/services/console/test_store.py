"""The database file: one span once, all of a batch or nothing, and advice when it cannot be opened."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint

from unit.services.console.samples import NOW, SECOND, logs, metrics, span, traces
from voxtrace_services.console.errors import DatabaseBusyError, DatabaseError
from voxtrace_services.console.query import Query, Signals
from voxtrace_services.console.rows import from_logs, from_metrics, from_traces
from voxtrace_services.console.store import Store


def spans(store: Store) -> int:
    """Return how many spans the database holds."""
    return sum(row.spans for row in Query(store).signals())


def test_a_span_sent_again_counts_once(store: Store) -> None:
    """The same trace id and span id make one row: within a batch, and from batch to batch."""
    first = from_traces(
        traces([span(number=1, name="first"), span(number=1, name="again"), span(number=2)]), NOW
    )
    store.write(first)
    store.write(first)
    store.write(from_traces(traces([span(number=2, start=1800.0), span(number=3)], service="asr"), NOW))
    assert spans(store) == 3
    trace = Query(store).trace("1".zfill(32))
    assert trace is not None
    assert [span.name for span in trace.resource_spans[0].scope_spans[0].spans] == ["first", "operation"]


def test_the_same_span_id_in_another_trace_is_another_span(store: Store) -> None:
    """Span ids are only unique within their trace."""
    store.write(from_traces(traces([span(trace=1), span(trace=2)]), NOW))
    store.write(from_traces(traces([span(trace=3)]), NOW))
    assert spans(store) == 3


def test_a_reopened_file_has_everything_and_still_knows_what_it_has(tmp_path: Path) -> None:
    """All three signals survive closing, and a span sent again afterwards still counts once."""
    path = tmp_path / "deep" / "console.duckdb"
    sent = from_traces(traces([span()]), NOW)
    store = Store(path)
    store.write(sent)
    store.write(
        from_metrics(metrics([Metric(name="m", gauge=Gauge(data_points=[NumberDataPoint()] * 2))]), NOW)
    )
    store.write(from_logs(logs([LogRecord()] * 3), NOW))
    store.close()
    store = Store(path)
    store.write(sent)
    assert Query(store).signals() == [Signals(service="gateway", spans=1, metric_points=2, log_records=3)]
    store.close()


def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    """When one row of a batch cannot be written, none is, and the next batch is not disturbed."""
    broken = from_traces(traces([span(number=1), span(number=2)]), NOW)
    broken.spans[1] = broken.spans[1]._replace(start_ns=-1)
    with pytest.raises(OverflowError):
        store.write(broken)
    assert spans(store) == 0
    store.write(from_traces(traces([span()]), NOW))
    assert spans(store) == 1


def test_resources_are_kept_once_and_go_with_their_last_span(store: Store) -> None:
    """A resource is one row however often it is sent, and none when nothing of it is left."""

    def origins() -> int:
        with store.cursor() as cursor:
            [(count,)] = cursor.execute("SELECT count(*) FROM origins").fetchall()
        return int(count)

    for second in range(3):
        store.write(from_traces(traces([span(number=second + 1)], service="asr"), NOW + second * SECOND))
    store.write(from_logs(logs([LogRecord()], service="gateway"), NOW))
    assert origins() == 2
    assert store.delete_before(NOW + 2 * SECOND, whole_traces=False) == 3
    assert origins() == 1
    assert store.delete_before(NOW + 3 * SECOND, whole_traces=False) == 1
    assert origins() == 0


def test_readers_see_only_what_is_committed(store: Store) -> None:
    """A reader in the middle of a write sees the state before it."""
    store.write(from_traces(traces([span(number=1)]), NOW))
    with store._transaction():
        store._connection.execute("DELETE FROM spans")
        assert spans(store) == 1
    assert spans(store) == 0


def test_a_file_open_elsewhere_is_named_with_a_way_out(tmp_path: Path) -> None:
    """Opening a file that another process has open says which process, and what to do."""
    path = tmp_path / "console.duckdb"
    program = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(DatabaseBusyError) as caught:
            Store(path)
        holder.communicate(timeout=30)
    assert str(path) in str(caught.value)
    assert f"process {holder.pid}" in str(caught.value)
    assert "VOXTRACE_CONSOLE_DATABASE" in str(caught.value)
    Store(path).close()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """A foreign file is refused with advice, and not written to."""
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 1000)
    with pytest.raises(DatabaseError, match="Move the file away"):
        Store(path)
    assert path.read_text() == "my notes\n" * 1000


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A database path under a plain file is refused with advice."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="VOXTRACE_CONSOLE_DATABASE"):
        Store(tmp_path / "file" / "console.duckdb")


def test_a_quote_in_the_path_is_a_character(tmp_path: Path) -> None:
    """Any path is just a path."""
    path = tmp_path / "it's here" / "console.duckdb"
    Store(path).close()
    assert path.exists()


def test_the_database_reaches_nothing_outside_its_file(store: Store, tmp_path: Path) -> None:
    """SQL cannot read or write other files, nor load extensions."""
    with store.cursor() as cursor:
        for statement in (
            f"COPY spans TO '{tmp_path / 'x.csv'}'",
            "SELECT * FROM '/etc/passwd'",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                cursor.execute(statement)
