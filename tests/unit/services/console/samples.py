"""OTLP requests to send to a console under test."""

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECOND = 10**9
#: 2026-01-01T00:00:00Z
NOW = 1_767_225_600 * SECOND


def value(plain: Any) -> AnyValue:  # noqa: PLR0911 - one line a type
    """Return a plain value as OTLP's."""
    match plain:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=plain)
        case int():
            return AnyValue(int_value=plain)
        case float():
            return AnyValue(double_value=plain)
        case bytes():
            return AnyValue(bytes_value=plain)
        case list():
            return AnyValue(array_value=ArrayValue(values=[value(item) for item in plain]))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=pairs(plain)))
        case _:
            return AnyValue(string_value=plain)


def pairs(plain: Mapping[str, Any]) -> list[KeyValue]:
    """Return plain attributes as OTLP's."""
    return [KeyValue(key=key, value=value(item)) for key, item in plain.items()]


def span(
    trace: int = 1,
    number: int = 1,
    name: str = "operation",
    start: float = 0.0,
    seconds: float = 1.0,
    *,
    parent: int | None = None,
    kind: int = Span.SPAN_KIND_SERVER,
    error: bool = False,
    attributes: Mapping[str, Any] | None = None,
) -> Span:
    """Return a span that starts `start` seconds from NOW and lasts `seconds`."""
    made = Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=b"" if parent is None else parent.to_bytes(8, "big"),
        name=name,
        kind=kind,  # type: ignore[arg-type]  # an enum's number
        start_time_unix_nano=NOW + round(start * SECOND),
        end_time_unix_nano=NOW + round((start + seconds) * SECOND),
        attributes=pairs(attributes or {}),
    )
    made.status.SetInParent()
    if error:
        made.status.code = 2  # type: ignore[assignment]  # an enum's number
    return made


def traces(
    spans: Iterable[Span], service: str | None = "gateway", **resource: Any
) -> ExportTraceServiceRequest:
    """Return a request with `spans` of one service."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    named = {} if service is None else {"service.name": service}
    group.resource.attributes.extend(pairs({**named, **resource}))
    scoped = group.scope_spans.add()
    scoped.scope.name = "tests"
    scoped.spans.extend(spans)
    return request


def metrics(made: Iterable[Metric], service: str = "gateway") -> ExportMetricsServiceRequest:
    """Return a request with metrics of one service."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(pairs({"service.name": service}))
    scoped = group.scope_metrics.add()
    scoped.scope.name = "tests"
    scoped.metrics.extend(made)
    return request


def logs(records: Iterable[LogRecord], service: str = "gateway") -> ExportLogsServiceRequest:
    """Return a request with log records of one service."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(pairs({"service.name": service}))
    scoped = group.scope_logs.add()
    scoped.scope.name = "tests"
    scoped.log_records.extend(records)
    return request
