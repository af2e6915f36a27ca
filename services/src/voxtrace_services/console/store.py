"""The console's database: one DuckDB file, opened by one process, written by one thread."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from voxtrace_services.console.errors import DatabaseBusyError, DatabaseError
from voxtrace_services.console.rows import Rows
from voxtrace_services.console.schema import LOGS, ORIGINS, POINTS, SIGNALS, SPANS, TABLES, Table

#: Space comes back by the row group, so small ones give it back sooner than DuckDB's own of 122,880 rows.
_ROW_GROUP_ROWS: Final = 2048
_MEMORY_LIMIT: Final = "512MB"
#: A span sent again is looked for among the spans that started within this time of it.
_RESENT_NS: Final = 3600 * 10**9
_MAX_NS: Final = 2**64 - 1

_LOCK_HOLDER = re.compile(r"\(PID (\d+)\)")


class Store:
    """
    The open database file.

    `write`, `delete_before` and `reclaim` belong to one thread; `cursor` is for any.
    """

    def __init__(self, path: str | Path) -> None:
        """
        Open the file, making it and its folder where they are missing.

        Raises:
            DatabaseBusyError: Another process has the file open.
            DatabaseError: The file cannot be opened or is no console database.
        """
        self.path = Path(path)
        self._connection = _attach(self.path)
        self._lock = threading.Lock()
        for table in TABLES:
            self._connection.execute(table.ddl)

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """Give a cursor of one's own, which sees what is committed."""
        with self._lock:
            cursor = self._connection.cursor()
        try:
            cursor.execute("USE console")
            yield cursor
        finally:
            cursor.close()

    def write(self, rows: Rows) -> None:
        """Commit all of `rows`, or none; spans that are there already are left as they are."""
        with self._transaction():
            self._insert(ORIGINS, list(rows.origins.values()), "origin NOT IN (SELECT origin FROM origins)")
            unique = {(row.trace_id, row.span_id): row for row in reversed(rows.spans)}
            spans = list(reversed(unique.values()))
            starts = [row.start_ns for row in spans]
            self._insert(
                SPANS,
                spans,
                # Bounded by start, so that only the row groups of that time are read.
                "NOT EXISTS (SELECT 1 FROM spans WHERE spans.trace_id = batch.trace_id "
                "AND spans.span_id = batch.span_id AND spans.start_ns BETWEEN ? AND ?)",
                [
                    max(min(starts, default=0) - _RESENT_NS, 0),
                    min(max(starts, default=0) + _RESENT_NS, _MAX_NS),
                ],
            )
            self._insert(POINTS, rows.points)
            self._insert(LOGS, rows.logs)

    def delete_before(self, cutoff_ns: int, *, whole_traces: bool) -> int:
        """
        Delete what was received before `cutoff_ns` and say how many rows that was.

        Args:
            cutoff_ns: Nanoseconds since the epoch, exclusive.
            whole_traces: Keep a trace entire as long as one span of it is to be kept.
        """
        deleted = 0
        with self._transaction():
            for table in SIGNALS:
                condition = "received_ns < ?"
                arguments = [cutoff_ns]
                if whole_traces and table is SPANS:
                    condition += " AND trace_id NOT IN (SELECT trace_id FROM spans WHERE received_ns >= ?)"
                    arguments.append(cutoff_ns)
                deleted += self._count(f"DELETE FROM {table.name} WHERE {condition}", arguments)  # noqa: S608 - names are ours
            if deleted:
                used = " UNION ".join(f"FROM {table.name} SELECT origin" for table in SIGNALS)
                self._connection.execute(f"DELETE FROM origins WHERE origin NOT IN ({used})")  # noqa: S608 - names are ours
        return deleted

    def oldest_share(self, share: float) -> int | None:
        """Return the receive time below which about `share` of all rows lie, or None when empty."""
        every = " UNION ALL ".join(f"FROM {table.name} SELECT received_ns" for table in SIGNALS)
        with self.cursor() as cursor:
            [(cutoff,)] = cursor.execute(
                f"SELECT quantile_disc(received_ns, ?) FROM ({every})",  # noqa: S608 - names are ours
                [min(max(share, 0.0), 1.0)],
            ).fetchall()
        return None if cutoff is None else int(cutoff)

    def reclaim(self) -> None:
        """Give the space of deleted rows back to the file."""
        self._connection.execute("CHECKPOINT console")

    def used_bytes(self) -> int:
        """Return how many bytes of disk hold data; free blocks inside the file do not count."""
        with self.cursor() as cursor:
            [(blocks, block_size)] = cursor.execute(
                "SELECT used_blocks, block_size FROM pragma_database_size() WHERE database_name = 'console'"
            ).fetchall()
        log = self.path.with_name(self.path.name + ".wal")
        return int(blocks * block_size) + (log.stat().st_size if log.exists() else 0)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            # A failed statement may have ended the transaction already.
            with suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _insert(
        self,
        table: Table,
        rows: Sequence[tuple[Any, ...]],
        condition: str = "true",
        arguments: Sequence[int] = (),
    ) -> None:
        if not rows:
            return
        columns = [
            pa.array(column, field.type)
            for column, field in zip(zip(*rows, strict=True), table.columns, strict=True)
        ]
        self._connection.register("batch", pa.Table.from_arrays(columns, schema=table.columns))
        try:
            self._connection.execute(
                f"INSERT INTO {table.name} SELECT * FROM batch WHERE {condition}",  # noqa: S608 - names are ours
                list(arguments),
            )
        finally:
            self._connection.unregister("batch")

    def _count(self, statement: str, arguments: Sequence[int]) -> int:
        [(count,)] = self._connection.execute(statement, list(arguments)).fetchall()
        return int(count)


def _attach(path: Path) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(f"cannot make the folder {path.parent}: {error}; {_ELSEWHERE}") from error
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": _MEMORY_LIMIT,
            # Nothing is fetched from anywhere: the console works without a network.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    quoted = str(path).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{quoted}' AS console (ROW_GROUP_SIZE {_ROW_GROUP_ROWS})")
    except duckdb.Error as error:
        connection.close()
        raise _explained(path, error) from error
    connection.execute("USE console")
    connection.execute("SET enable_external_access = false")
    return connection


_ELSEWHERE = "set VOXTRACE_CONSOLE_DATABASE to another file"


def _explained(path: Path, error: Exception) -> DatabaseError:
    if "lock" in str(error):
        holder = _LOCK_HOLDER.search(str(error))
        who = f"process {holder[1]}" if holder else "another process"
        return DatabaseBusyError(
            f"the console's database {path} is open in {who}; stop that one (`voxtrace down`, "
            f"or end the process), or {_ELSEWHERE}. To look at it meanwhile, ask that console's /api."
        )
    return DatabaseError(
        f"the console's database {path} cannot be opened: {error}. "
        f"Move the file away to start afresh, or {_ELSEWHERE}."
    )
