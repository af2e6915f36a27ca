"""OTLP requests as rows of the console's tables."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from voxtrace_services.console.errors import TooLargeError

#: As the SDKs call a service that did not name itself.
UNKNOWN_SERVICE = "unknown_service"

#: OTLP's span kinds as Jaeger writes them. An unspecified one may be taken for internal, and Jaeger does.
KINDS: Final = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
#: How many data points one request may hold: they lie deeper than items are counted before parsing.
MAX_POINTS: Final = 200_000

_TRACE_ID_BYTES = 16
_SPAN_ID_BYTES = 8
_ROW_OVERHEAD = 512  # about what a row's Python objects weigh besides its body
_UINT8_MAX = 255

Attributes = tuple[tuple[str, str], ...]


class OriginRow(NamedTuple):
    """A resource and a scope under it, named by their hash."""

    origin: bytes
    service: str
    attributes: Attributes
    resource: bytes
    resource_schema_url: str
    scope: bytes
    scope_schema_url: str


class SpanRow(NamedTuple):
    """A span; ids are hex, an absent parent is empty."""

    trace_id: str
    span_id: str
    parent_span_id: str
    origin: bytes
    service: str
    name: str
    kind: str
    status_code: int
    start_ns: int
    end_ns: int
    duration_ns: int
    received_ns: int
    attributes: Attributes
    body: bytes


class PointRow(NamedTuple):
    """A metric data point; `value` is a number's value or a distribution's sum."""

    origin: bytes
    service: str
    name: str
    kind: str
    unit: str
    time_ns: int
    value: float | None
    measurements: int | None
    received_ns: int
    attributes: Attributes
    body: bytes


class LogRow(NamedTuple):
    """A log record; ids are hex, empty when the record has none."""

    origin: bytes
    service: str
    trace_id: str
    span_id: str
    time_ns: int
    severity_number: int
    event_name: str
    received_ns: int
    attributes: Attributes
    body: bytes


@dataclass(kw_only=True)
class Rows:
    """The rows of one or more requests, and how many items were refused on the way."""

    origins: dict[bytes, OriginRow] = field(default_factory=dict)
    spans: list[SpanRow] = field(default_factory=list)
    points: list[PointRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    rejected: int = 0

    def __len__(self) -> int:
        return len(self.spans) + len(self.points) + len(self.logs)

    @property
    def weight(self) -> int:
        """About how many bytes of memory these rows hold."""
        signals: tuple[Iterable[Any], ...] = (self.spans, self.points, self.logs)
        return sum(len(row.body) + _ROW_OVERHEAD for rows in signals for row in rows)

    def extend(self, other: Self) -> None:
        """Take over the rows of `other`."""
        self.origins.update(other.origins)
        self.spans += other.spans
        self.points += other.points
        self.logs += other.logs


def from_traces(request: ExportTraceServiceRequest, received_ns: int) -> Rows:
    """Turn spans into rows; a span without valid trace and span ids is refused and counted."""
    rows = Rows()
    for group in request.resource_spans:
        for scoped in group.scope_spans:
            origin = _origin(group.resource, group.schema_url, scoped.scope, scoped.schema_url)
            for span in scoped.spans:
                if not (_valid(span.trace_id, _TRACE_ID_BYTES) and _valid(span.span_id, _SPAN_ID_BYTES)):
                    rows.rejected += 1
                    continue
                rows.origins[origin.origin] = origin
                start, end = span.start_time_unix_nano, span.end_time_unix_nano
                rows.spans.append(
                    SpanRow(
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_span_id=span.parent_span_id.hex(),
                        origin=origin.origin,
                        service=origin.service,
                        name=span.name,
                        kind=KINDS.get(span.kind, KINDS[1]),
                        status_code=_uint8(span.status.code),
                        start_ns=start,
                        end_ns=end,
                        duration_ns=max(end - start, 0),
                        received_ns=received_ns,
                        attributes=attributes(span.attributes),
                        body=span.SerializeToString(),
                    )
                )
    return rows


def from_metrics(request: ExportMetricsServiceRequest, received_ns: int) -> Rows:
    """Turn metric data points into rows; a point of a kind we do not know is refused and counted."""
    rows = Rows()
    for group in request.resource_metrics:
        for scoped in group.scope_metrics:
            origin = _origin(group.resource, group.schema_url, scoped.scope, scoped.schema_url)
            for metric in scoped.metrics:
                kind = metric.WhichOneof("data")
                if kind is None:
                    rows.rejected += 1
                    continue
                if len(rows.points) + len(getattr(metric, kind).data_points) > MAX_POINTS:
                    raise TooLargeError(
                        f"the body holds more than {MAX_POINTS} data points; send smaller batches"
                    )
                rows.origins[origin.origin] = origin
                for point, alone in _points(metric, kind):
                    rows.points.append(
                        PointRow(
                            origin=origin.origin,
                            service=origin.service,
                            name=metric.name,
                            kind=kind,
                            unit=metric.unit,
                            time_ns=point.time_unix_nano,
                            value=_value(point),
                            measurements=point.count if hasattr(point, "count") else None,
                            received_ns=received_ns,
                            attributes=attributes(point.attributes),
                            body=alone.SerializeToString(),
                        )
                    )
    return rows


def from_logs(request: ExportLogsServiceRequest, received_ns: int) -> Rows:
    """Turn log records into rows."""
    rows = Rows()
    for group in request.resource_logs:
        for scoped in group.scope_logs:
            origin = _origin(group.resource, group.schema_url, scoped.scope, scoped.schema_url)
            for record in scoped.log_records:
                rows.origins[origin.origin] = origin
                rows.logs.append(
                    LogRow(
                        origin=origin.origin,
                        service=origin.service,
                        trace_id=record.trace_id.hex(),
                        span_id=record.span_id.hex(),
                        time_ns=record.time_unix_nano or record.observed_time_unix_nano,
                        severity_number=_uint8(record.severity_number),
                        event_name=record.event_name,
                        received_ns=received_ns,
                        attributes=attributes(record.attributes),
                        body=record.SerializeToString(),
                    )
                )
    return rows


def attributes(pairs: Iterable[KeyValue]) -> Attributes:
    """Attributes as text to search by; of a repeated key the last value counts."""
    return tuple({pair.key: text(pair.value) for pair in pairs}.items())


def text(value: AnyValue) -> str:
    """
    One attribute value as Jaeger's search writes it.

    Numbers are plain, booleans are `true` and `false`, bytes are base64, lists and
    maps are JSON.
    """
    kind = value.WhichOneof("value")
    if kind in ("array_value", "kvlist_value"):
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    plain = _plain(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, float) and plain.is_integer():
        return str(int(plain))
    return "" if plain is None else str(plain)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [_plain(item) for item in held.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in held.values}
    if kind == "bytes_value":
        return base64.b64encode(held).decode("ascii")
    return held


def _origin(resource: Resource, resource_url: str, scope: InstrumentationScope, scope_url: str) -> OriginRow:
    parts = (
        resource.SerializeToString(deterministic=True),
        resource_url,
        scope.SerializeToString(deterministic=True),
        scope_url,
    )
    described = attributes(resource.attributes)
    return OriginRow(
        origin=blake2b(repr(parts).encode(), digest_size=16).digest(),
        service=dict(described).get("service.name") or UNKNOWN_SERVICE,
        attributes=described,
        resource=parts[0],
        resource_schema_url=resource_url,
        scope=parts[2],
        scope_schema_url=scope_url,
    )


def _points(metric: Metric, kind: str) -> Iterator[tuple[Any, Metric]]:
    shell = Metric()
    shell.CopyFrom(metric)
    del getattr(shell, kind).data_points[:]
    getattr(shell, kind).SetInParent()
    for point in getattr(metric, kind).data_points:
        alone = Metric()
        alone.CopyFrom(shell)
        getattr(alone, kind).data_points.append(point)
        yield point, alone


def _value(point: Any) -> float | None:
    if not hasattr(point, "count"):
        kind = point.WhichOneof("value")
        return None if kind is None else float(getattr(point, kind))
    # An optional sum that was not sent is unknown, not zero; a summary's is always sent.
    optional = point.DESCRIPTOR.fields_by_name["sum"].has_presence
    return float(point.sum) if not optional or point.HasField("sum") else None


def _valid(identifier: bytes, size: int) -> bool:
    return len(identifier) == size and any(identifier)


def _uint8(number: int) -> int:
    # Enums are open: a sender may use a number of a later version, or nonsense.
    return number if 0 <= number <= _UINT8_MAX else 0
