"""The queue in front of the database."""

import threading
import time
from collections.abc import Callable

import duckdb
import pytest

from unit.services.console.samples import NOW, span, traces
from voxtrace.errors import HealthCheckError
from voxtrace_services.console.errors import OverloadedError
from voxtrace_services.console.rows import Rows, from_traces
from voxtrace_services.console.writer import Writer


def rows(number: int = 1) -> Rows:
    """Return one span as rows."""
    return from_traces(traces([span(number=number)]), NOW)


class Sink:
    """Notes what is written; fails as told first."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.batches: list[list[str]] = []
        self.tried = threading.Semaphore(0)

    def write(self, rows: Rows) -> None:
        """Note the spans, or raise the next failure."""
        self.tried.release()
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append([row.span_id[-1] for row in rows.spans])


def started(sink: Sink, **settings: float) -> Writer:
    """Return a running writer that batches for as long as it may unless told."""
    writer = Writer(sink, **({"flush_seconds": 60.0, "retry_seconds": 0.01} | settings))  # type: ignore[arg-type]  # all floats
    writer.start()
    return writer


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, for ten seconds at most."""
    reached = threading.Event()
    for _ in range(1000):
        if condition():
            return
        reached.wait(0.01)
    pytest.fail("it never came true")


def test_rows_are_written_together_and_in_order() -> None:
    """What is submitted within the flush interval is one batch."""
    writer = started(sink := Sink())
    for number in (1, 2, 3):
        writer.submit(rows(number))
    assert writer.flush(10)
    assert sink.batches == [["1", "2", "3"]]
    assert writer.close(10)


def test_rows_are_written_without_being_asked() -> None:
    """After the flush interval a batch is written by itself."""
    writer = started(sink := Sink(), flush_seconds=0.01)
    writer.submit(rows())
    eventually(lambda: sink.batches == [["1"]])
    assert writer.close(10)


def test_close_writes_what_is_left_and_refuses_more() -> None:
    """Closing commits the queue; later rows are refused so that their sender keeps them."""
    writer = started(sink := Sink())
    writer.submit(rows())
    assert writer.close(10)
    assert sink.batches == [["1"]]
    with pytest.raises(OverloadedError, match="stopping"):
        writer.submit(rows())


def test_a_failing_database_delays_but_does_not_lose() -> None:
    """A batch that the database refuses is written as soon as it can be, and all is well again."""
    writer = started(sink := Sink(*[duckdb.IOException("disk full")] * 2))
    writer.submit(rows())
    assert writer.flush(10)
    assert sink.batches == [["1"]]
    writer.check()
    assert writer.close(10)


def test_a_database_that_stays_away_is_told() -> None:
    """While writes fail health says why, and closing says that something was left unwritten."""
    writer = started(sink := Sink(*[duckdb.IOException("disk full")] * 9), retry_seconds=60)
    writer.submit(rows())
    assert not writer.flush(0.1)
    with pytest.raises(HealthCheckError, match="disk full"):
        writer.check()
    assert not writer.close(10)
    assert sink.batches == []


def test_closing_tries_once_more() -> None:
    """A batch that waits for its next try gets it when the console closes."""
    writer = started(sink := Sink(duckdb.IOException("disk full")), retry_seconds=60)
    writer.submit(rows())
    assert not writer.flush(0.1)
    assert writer.close(10)
    assert sink.batches == [["1"]]


def test_rows_that_no_database_can_hold_do_not_block_the_others() -> None:
    """A batch at fault itself is dropped with a log line; the next one is written."""
    writer = started(sink := Sink(duckdb.ConversionException("nonsense")))
    writer.submit(rows(1))
    assert writer.flush(10)
    writer.submit(rows(2))
    assert writer.flush(10)
    assert sink.batches == [["2"]]
    assert writer.close(10)


def test_the_queue_is_bounded() -> None:
    """Beyond the bound rows are refused; one large batch alone is not."""
    writer = Writer(Sink(), max_bytes=1)
    writer.submit(rows(1))
    with pytest.raises(OverloadedError, match="behind"):
        writer.submit(rows(2))
    writer.start()
    assert writer.flush(10)
    writer.submit(rows(3))
    assert writer.close(10)


def test_upkeep_runs_between_batches_and_may_fail() -> None:
    """Upkeep runs every so often on the writer's thread; its failure does not end the writer."""
    ran = threading.Semaphore(0)
    names = []

    def upkeep() -> None:
        names.append(threading.current_thread().name)
        ran.release()
        raise duckdb.IOException("no room")

    writer = Writer(sink := Sink(), flush_seconds=0.01, upkeep=upkeep, upkeep_seconds=0.01)
    writer.start()
    assert ran.acquire(timeout=10)
    assert ran.acquire(timeout=10)
    writer.submit(rows())
    assert writer.flush(10)
    assert writer.close(10)
    assert sink.batches == [["1"]]
    assert set(names) == {"console-writer"}


def test_upkeep_runs_at_the_start() -> None:
    """The first upkeep does not wait for its time: what a restart finds may be long overdue."""
    ran = threading.Event()
    writer = Writer(Sink(), upkeep=ran.set, upkeep_seconds=600)
    writer.start()
    assert ran.wait(10)
    assert writer.close(10)


def test_without_upkeep_the_writer_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that has no upkeep waits for rows all the same, and does not go round in circles."""
    writer, deadlines = Writer(Sink(), flush_seconds=0.01, upkeep_seconds=600), []
    take = writer._take

    def watched(deadline: float) -> tuple[Rows, int]:
        deadlines.append(deadline)
        return take(deadline)

    monkeypatch.setattr(writer, "_take", watched)
    writer.start()
    writer.submit(rows())
    assert writer.flush(10)
    writer.submit(rows())
    assert writer.close(10)
    assert deadlines[-1] > time.monotonic() + 500


def test_rows_that_come_at_the_last_moment_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows submitted while the writer turns to its upkeep are written, even where the close comes next."""
    writer = Writer(sink := Sink())
    take = writer._take

    def late(deadline: float) -> tuple[Rows, int]:
        taken = take(deadline)
        if taken[1] == 0 and not sink.batches:
            writer.submit(rows())
            writer._closing = True
        return taken

    monkeypatch.setattr(writer, "_take", late)
    writer.start()
    eventually(lambda: not writer._thread.is_alive())
    assert sink.batches == [["1"]]
    assert writer.close(10)


def test_health_notices_a_dead_writer() -> None:
    """A writer whose thread has ended is not well."""
    writer = started(Sink())
    writer.check()
    assert writer.close(10)
    with pytest.raises(HealthCheckError, match="restart the console"):
        writer.check()
