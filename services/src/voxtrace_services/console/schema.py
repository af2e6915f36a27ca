"""The tables of the console's database: each column once, for SQL and for Arrow."""

from dataclasses import dataclass

import pyarrow as pa

_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.uint8(): "UTINYINT",
    pa.uint64(): "UBIGINT",
    pa.float64(): "DOUBLE",
    pa.map_(pa.string(), pa.string()): "MAP(VARCHAR, VARCHAR)",
}


@dataclass(frozen=True)
class Table:
    """One table: its name and its columns in order."""

    name: str
    columns: pa.Schema

    @property
    def ddl(self) -> str:
        """The statement that makes the table where it is missing."""
        columns = ", ".join(f"{field.name} {_SQL_TYPES[field.type]}" for field in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"


_ATTRIBUTES = pa.map_(pa.string(), pa.string())

#: Who sent a thing: resource and scope, kept once for all that share them.
ORIGINS = Table(
    "origins",
    pa.schema(
        {
            "origin": pa.binary(),
            "service": pa.string(),
            "attributes": _ATTRIBUTES,
            "resource": pa.binary(),
            "resource_schema_url": pa.string(),
            "scope": pa.binary(),
            "scope_schema_url": pa.string(),
        }
    ),
)

#: `body` is the whole span as OTLP protobuf; the other columns are there to search by.
SPANS = Table(
    "spans",
    pa.schema(
        {
            "trace_id": pa.string(),
            "span_id": pa.string(),
            "parent_span_id": pa.string(),
            "origin": pa.binary(),
            "service": pa.string(),
            "name": pa.string(),
            "kind": pa.string(),
            "status_code": pa.uint8(),
            "start_ns": pa.uint64(),
            "end_ns": pa.uint64(),
            "duration_ns": pa.uint64(),
            "received_ns": pa.uint64(),
            "attributes": _ATTRIBUTES,
            "body": pa.binary(),
        }
    ),
)

#: One row a data point; `body` is its metric with that point alone.
POINTS = Table(
    "points",
    pa.schema(
        {
            "origin": pa.binary(),
            "service": pa.string(),
            "name": pa.string(),
            "kind": pa.string(),
            "unit": pa.string(),
            "time_ns": pa.uint64(),
            "value": pa.float64(),
            "measurements": pa.uint64(),
            "received_ns": pa.uint64(),
            "attributes": _ATTRIBUTES,
            "body": pa.binary(),
        }
    ),
)

#: `body` is the whole log record as OTLP protobuf.
LOGS = Table(
    "logs",
    pa.schema(
        {
            "origin": pa.binary(),
            "service": pa.string(),
            "trace_id": pa.string(),
            "span_id": pa.string(),
            "time_ns": pa.uint64(),
            "severity_number": pa.uint8(),
            "event_name": pa.string(),
            "received_ns": pa.uint64(),
            "attributes": _ATTRIBUTES,
            "body": pa.binary(),
        }
    ),
)

#: The tables that grow with time, and that retention thins out.
SIGNALS = (SPANS, POINTS, LOGS)
TABLES = (ORIGINS, *SIGNALS)
