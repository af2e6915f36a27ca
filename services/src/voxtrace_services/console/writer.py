"""The thread that takes rows from the intake and commits them in batches."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

import duckdb

from voxtrace.errors import HealthCheckError
from voxtrace_services.console.errors import OverloadedError
from voxtrace_services.console.rows import Rows

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where batches go; raising leaves nothing of the batch behind."""

    def write(self, rows: Rows) -> None:
        """Commit all of `rows`, or none."""


class Writer:
    """
    A bounded queue in front of the database.

    What was submitted is committed within about `flush_seconds`, and at the latest by
    `close`; a batch that the database cannot take now is kept and tried again.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        flush_seconds: float = 0.25,
        retry_seconds: float = 1.0,
        max_bytes: int = 64 * 1024 * 1024,
        upkeep: Callable[[], object] | None = None,
        upkeep_seconds: float = 60.0,
    ) -> None:
        """
        Describe the queue; `start` begins to write.

        Args:
            sink: Where batches go.
            flush_seconds: How long the first row of a batch waits for company.
            retry_seconds: Pause after the database refused a batch.
            max_bytes: How much may wait; beyond it `submit` refuses.
            upkeep: Run on the writer's thread at the start and every `upkeep_seconds`, between batches.
            upkeep_seconds: See `upkeep`.
        """
        self._sink = sink
        self._flush_seconds = flush_seconds
        self._retry_seconds = retry_seconds
        self._max_bytes = max_bytes
        self._upkeep = upkeep
        self._upkeep_seconds = upkeep_seconds
        self._changed = threading.Condition()
        self._waiting = Rows()
        self._waiting_bytes = 0
        self._submitted = 0
        self._settled = 0
        self._urgent = False
        self._closing = False
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="console-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, rows: Rows) -> None:
        """Queue `rows`, or raise OverloadedError when as much as may wait is waiting."""
        if not len(rows):
            return
        weight = rows.weight
        with self._changed:
            if self._closing:
                raise OverloadedError("the console is stopping; send this again later")
            if self._waiting_bytes and self._waiting_bytes + weight > self._max_bytes:
                raise OverloadedError("the console's database is behind; send this again later")
            self._waiting.extend(rows)
            self._waiting_bytes += weight
            self._submitted += 1
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until all that was submitted before this call is settled; False when time runs out."""
        with self._changed:
            target = self._submitted
            self._urgent = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled >= target, seconds)

    def close(self, seconds: float) -> bool:
        """Commit what is left and stop; False when that did not succeed within `seconds`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)
        with self._changed:
            return not self._thread.is_alive() and self._settled == self._submitted

    def check(self) -> None:
        """Raise when what is submitted cannot reach the database: a health check."""
        if not self._thread.is_alive():
            raise HealthCheckError("the writer's thread has ended; restart the console")
        if self._failure is not None:
            raise HealthCheckError(f"the database refuses writes: {self._failure}")

    def _run(self) -> None:
        next_upkeep = time.monotonic()
        while True:
            rows, upto = self._take(next_upkeep)
            settled = not upto or self._write(rows)
            with self._changed:
                if upto and settled:
                    self._settled = upto
                    self._changed.notify_all()
                # Rows may have come since: closing waits for them as well.
                if self._closing and not (settled and self._waiting_bytes):
                    return
            if time.monotonic() >= next_upkeep:
                self._tend()
                next_upkeep = time.monotonic() + self._upkeep_seconds

    def _take(self, deadline: float) -> tuple[Rows, int]:
        """Wait for rows until `deadline` and take them all; zero in place of a number when there are none."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting_bytes or self._closing, max(deadline - time.monotonic(), 0.0)
            )
            if not self._waiting_bytes:
                self._urgent = False
                return self._waiting, 0
            self._changed.wait_for(
                lambda: self._urgent or self._closing or self._waiting_bytes > self._max_bytes // 8,
                self._flush_seconds,
            )
            rows, self._waiting, self._waiting_bytes = self._waiting, Rows(), 0
            self._urgent = False
            return rows, self._submitted

    def _write(self, rows: Rows) -> bool:
        """Commit `rows`, trying until it works, is hopeless, or the console closes."""
        while True:
            try:
                self._sink.write(rows)
            except duckdb.DataError as error:
                # The rows themselves are at fault: trying again would block all that follow.
                _log.error("dropped %d rows that the database cannot hold: %s", len(rows), error)
                return True
            except Exception as error:  # noqa: BLE001 - whatever it is, the rows are kept and it is logged
                if self._failure is None:
                    _log.exception("cannot write to the console's database; will try again")
                self._failure = str(error)
            else:
                self._failure = None
                return True
            with self._changed:
                if self._closing:
                    _log.error("%d rows were never written", len(rows))
                    return False
                self._changed.wait_for(lambda: self._closing, self._retry_seconds)

    def _tend(self) -> None:
        if self._upkeep is None:
            return
        try:
            self._upkeep()
        except Exception:  # noqa: BLE001 - upkeep must not end the writer; it is logged
            _log.exception("the console's upkeep failed; it will run again")
