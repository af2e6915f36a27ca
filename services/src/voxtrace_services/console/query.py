"""What the console answers: traces, services, RED, logs and metric points, by SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from voxtrace_services.console.store import Store

_STATUS_ERROR = 2
_NS = 10**9
_ORIGIN = "resource, resource_schema_url, scope, scope_schema_url"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What one span of a wanted trace must be like; None asks for nothing."""

    service: str | None = None
    operation: str | None = None
    start_min_ns: int | None = None
    start_max_ns: int | None = None
    duration_min_ns: int | None = None
    duration_max_ns: int | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    #: How many traces at most, newest first.
    depth: int = 100


@dataclass(frozen=True, kw_only=True)
class Red:
    """Rate, errors and duration of one operation; durations are seconds."""

    service: str
    operation: str
    kind: str
    calls: int
    errors: int
    rate: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class Signals:
    """How much of each signal one service sent, as far as it is still kept."""

    service: str
    spans: int
    metric_points: int
    log_records: int


class Query:
    """Reads of the store; each call sees what is committed when it starts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def trace(self, trace_id: str) -> TracesData | None:
        """Return every span of one trace, or None when there is none."""
        traces = self._traces("spans.trace_id = ?", [trace_id])
        return traces if traces.resource_spans else None

    def search(self, wanted: Search) -> TracesData:
        """Return the newest traces in which one span is as `wanted`, whole."""
        conditions, arguments = _conditions(wanted)
        return self._traces(
            f"spans.trace_id IN (FROM spans JOIN origins USING (origin) SELECT trace_id WHERE {conditions} "
            "GROUP BY trace_id ORDER BY max(start_ns) DESC, trace_id LIMIT ?)",
            [*arguments, wanted.depth],
        )

    def services(self) -> list[str]:
        """Return the names of the services that sent spans, sorted."""
        return [name for (name,) in self._rows("SELECT DISTINCT service FROM spans ORDER BY service", [])]

    def operations(self, service: str, kind: str | None) -> list[tuple[str, str]]:
        """Return the names and kinds of a service's spans, sorted; of one kind if it is given."""
        rows = self._rows(
            "SELECT DISTINCT name, kind FROM spans WHERE service = ? ORDER BY name, kind", [service]
        )
        return [(name, found) for name, found in rows if kind in (None, found)]

    def red(self, window_seconds: float, now_ns: int) -> list[Red]:
        """Return rate, errors and duration of every operation that ended in the last `window_seconds`."""
        rows = self._rows(
            "SELECT service, name, kind, count(*), count(*) FILTER (status_code = ?), "
            "quantile_cont(duration_ns / 1e9, [0.5, 0.95, 0.99]) "
            "FROM spans WHERE end_ns BETWEEN ? AND ? GROUP BY ALL ORDER BY service, name, kind",
            [_STATUS_ERROR, max(now_ns - int(window_seconds * _NS), 0), now_ns],
        )
        return [
            Red(
                service=service,
                operation=name,
                kind=kind,
                calls=calls,
                errors=errors,
                rate=calls / window_seconds,
                p50=p50,
                p95=p95,
                p99=p99,
            )
            for service, name, kind, calls, errors, (p50, p95, p99) in rows
        ]

    def signals(self) -> list[Signals]:
        """Return how much of each signal each service sent, sorted by service."""
        rows = self._rows(
            "SELECT service, count(*) FILTER (signal = 'span'), count(*) FILTER (signal = 'point'), "
            "count(*) FILTER (signal = 'log') FROM (SELECT service, 'span' AS signal FROM spans UNION ALL "
            "SELECT service, 'point' FROM points UNION ALL SELECT service, 'log' FROM logs) "
            "GROUP BY service ORDER BY service",
            [],
        )
        return [
            Signals(service=service, spans=spans, metric_points=points, log_records=logs)
            for service, spans, points, logs in rows
        ]

    def logs(self, *, trace_id: str | None, service: str | None, limit: int) -> LogsData:
        """Return the newest log records of a trace, a service or both, in order of time."""
        data = LogsData()
        groups = _Groups(data.resource_logs, "scope_logs")
        for *origin, body in self._newest("logs", {"trace_id": trace_id, "service": service}, limit):
            groups.scope(origin).log_records.add().ParseFromString(body)
        return data

    def metrics(self, *, service: str | None, name: str | None, limit: int) -> MetricsData:
        """Return the newest metric points of a service, of a metric or both, in order of time."""
        data = MetricsData()
        groups = _Groups(data.resource_metrics, "scope_metrics")
        for *origin, body in self._newest("points", {"service": service, "name": name}, limit):
            groups.scope(origin).metrics.add().ParseFromString(body)
        return data

    def _traces(self, condition: str, arguments: Sequence[Any]) -> TracesData:
        data = TracesData()
        groups = _Groups(data.resource_spans, "scope_spans")
        rows = self._rows(
            f"SELECT {_ORIGIN}, body FROM spans JOIN origins USING (origin) "  # noqa: S608 - values are arguments
            f"WHERE {condition} ORDER BY trace_id, start_ns, span_id",
            arguments,
        )
        for *origin, body in rows:
            span = groups.scope(origin).spans.add()
            span.ParseFromString(body)
            # Jaeger always writes a status, if an empty one.
            span.status.SetInParent()
        return data

    def _newest(self, table: str, equal: dict[str, str | None], limit: int) -> list[tuple[Any, ...]]:
        given = {column: value for column, value in equal.items() if value is not None}
        condition = " AND ".join(f"{table}.{column} = ?" for column in given) or "true"
        return self._rows(
            f"SELECT * EXCLUDE time_ns FROM (SELECT time_ns, {_ORIGIN}, body FROM {table} "  # noqa: S608 - values are arguments
            f"JOIN origins USING (origin) WHERE {condition} ORDER BY time_ns DESC LIMIT ?) ORDER BY time_ns",
            [*given.values(), limit],
        )

    def _rows(self, statement: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._store.cursor() as cursor:
            rows: list[tuple[Any, ...]] = cursor.execute(statement, list(arguments)).fetchall()
        return rows


class _Groups:
    """Puts items under their resource and scope again, each once, in order of appearance."""

    def __init__(self, groups: Any, scoped: str) -> None:
        self._groups = groups
        self._scoped = scoped
        self._resources: dict[tuple[bytes, str], Any] = {}
        self._scopes: dict[tuple[bytes, str, bytes, str], Any] = {}

    def scope(self, origin: Iterable[Any]) -> Any:
        """Return the scope's message for `origin`: resource, its URL, scope, its URL."""
        resource, resource_url, scope, scope_url = key = tuple(origin)
        if key not in self._scopes:
            if key[:2] not in self._resources:
                group = self._groups.add(schema_url=resource_url)
                _fill(group.resource, resource)
                self._resources[key[:2]] = group
            scoped = getattr(self._resources[key[:2]], self._scoped).add(schema_url=scope_url)
            _fill(scoped.scope, scope)
            self._scopes[key] = scoped
        return self._scopes[key]


def _fill(message: Message, body: bytes) -> None:
    message.ParseFromString(body)
    message.SetInParent()


def _conditions(wanted: Search) -> tuple[str, list[Any]]:
    asked = {
        "spans.service = ?": wanted.service,
        "spans.name = ?": wanted.operation,
        "spans.start_ns >= ?": wanted.start_min_ns,
        "spans.start_ns <= ?": wanted.start_max_ns,
        "spans.duration_ns >= ?": wanted.duration_min_ns,
        "spans.duration_ns <= ?": wanted.duration_max_ns,
    }
    conditions = ["true"]
    arguments: list[Any] = []
    for condition, value in asked.items():
        if value is not None:
            conditions.append(condition)
            arguments.append(value)
    for key, value in wanted.attributes.items():
        conditions.append("(spans.attributes[?] = ? OR origins.attributes[?] = ?)")
        arguments += [key, value, key, value]
    return " AND ".join(conditions), arguments
