"""What is sent to the Collector, with ids that are known, and a back end that writes down what it is sent."""

from __future__ import annotations

import gzip
import random
import secrets
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from voxtrace_services.native.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Value = str | bool | int | float | list[str]
_REQUESTS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


def attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    """Attributes as OTLP has them."""
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def plain(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as Python has them."""
    return {pair.key: _plain(pair.value) for pair in pairs}


def span(
    name: str,
    *,
    trace_id: bytes | None = None,
    kind: Span.SpanKind.ValueType = Span.SPAN_KIND_INTERNAL,
    seconds: float = 0.01,
    error: str | None = None,
    **values: Value,
) -> Span:
    """One span that ended now; `__` in the name of an attribute stands for a dot."""
    now = time.time_ns()
    return Span(
        trace_id=trace_id or secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        name=name,
        kind=kind,
        start_time_unix_nano=now - round(seconds * 1e9),
        end_time_unix_nano=now,
        attributes=attributes({key.replace("__", "."): value for key, value in values.items()}),
        status=Status() if error is None else Status(code=Status.STATUS_CODE_ERROR, message=error),
    )


def traces(spans: Iterable[Span], *, service: str = "tests", **resource: Value) -> ExportTraceServiceRequest:
    """The request that exports spans of one service."""
    request = ExportTraceServiceRequest()
    entry = request.resource_spans.add()
    values = {key.replace("__", "."): value for key, value in resource.items()}
    entry.resource.attributes.extend(attributes({"service.name": service, **values}))
    entry.scope_spans.add().spans.extend(spans)
    return request


def export(endpoint: str, path: str, request: Any, **options: Any) -> httpx.Response:
    """Post a request to an OTLP/HTTP endpoint."""
    headers = {"Content-Type": "application/x-protobuf", **options.pop("headers", {})}
    with httpx.Client(trust_env=False, timeout=30, **options) as client:
        return client.post(f"{endpoint}{path}", content=request.SerializeToString(), headers=headers)


def send(endpoint: str, *spans: Span, service: str = "tests") -> None:
    """Post spans to a Collector, which must take them."""
    answer = export(endpoint, "/v1/traces", traces(spans, service=service))
    assert answer.status_code == 200, answer.text


class Backend:
    """
    Takes what it is sent at `endpoint` while its block runs.

    Args:
        refuses: the share of calls that it answers with 503 instead.
    """

    def __init__(self, *, refuses: float = 0.0) -> None:
        self.received: dict[str, list[Any]] = {path: [] for path in _REQUESTS}
        self.refused = 0
        backend, draw = self, random.Random(20261124)  # noqa: S311  not for secrets

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with backend.lock:
                    refuse = draw.random() < refuses
                    backend.refused += refuse
                    if not refuse:
                        if self.headers.get("Content-Encoding") == "gzip":
                            body = gzip.decompress(body)
                        backend.received[self.path].append(_REQUESTS[self.path].FromString(body))
                self.send_response(503 if refuse else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://{LOOPBACK}:{self._server.server_port}"

    def spans(self, service: str = "tests") -> list[Span]:
        """The spans received of one service, in the order of their arrival."""
        with self.lock:
            return [
                each
                for request in self.received["/v1/traces"]
                for entry in request.resource_spans
                if plain(entry.resource.attributes).get("service.name") == service
                for scope in entry.scope_spans
                for each in scope.spans
            ]

    def span_ids(self, service: str = "tests") -> Counter[bytes]:
        """How often each span of one service was received."""
        return Counter(each.span_id for each in self.spans(service))

    def of(self, path: str, take: Callable[[Any], Iterable[Any]]) -> list[Any]:
        """Everything of one signal, taken from its requests."""
        with self.lock:
            return [each for request in self.received[path] for each in take(request)]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _value(value: Value) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(_value, value)))
        case _:
            return AnyValue(string_value=value)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
