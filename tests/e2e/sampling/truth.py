"""What the services really sent: everything is written down on its way to the Collector."""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire

from voxtrace_services.native.ports import LOOPBACK

_FORWARDED = ("Content-Type", "Content-Encoding")
_STATUS = {0: "STATUS_CODE_UNSET", 1: "STATUS_CODE_OK", 2: "STATUS_CODE_ERROR"}
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Sent:
    """One span as its service sent it."""

    service: str
    wire: Wire

    @property
    def attributes(self) -> dict[str, str | bool | int]:
        """Its attributes that are texts, truths or whole numbers."""
        found: dict[str, str | bool | int] = {}
        for each in self.wire.attributes:
            match each.value.WhichOneof("value"):
                case "string_value":
                    found[each.key] = each.value.string_value
                case "bool_value":
                    found[each.key] = each.value.bool_value
                case "int_value":
                    found[each.key] = each.value.int_value
        return found

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.wire.end_time_unix_nano - self.wire.start_time_unix_nano) / _NANOSECONDS


class Truth(ThreadingHTTPServer):
    """Stands between the services and the Collector, and remembers the spans that the Collector took."""

    daemon_threads = True

    def __init__(self, collector: str) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.endpoint = f"http://{LOOPBACK}:{self.server_address[1]}"
        self.collector = httpx.Client(base_url=collector, timeout=60, trust_env=False)
        self._lock = threading.Lock()
        self._spans: dict[str, dict[str, Sent]] = {}
        self._ended: set[str] = set()

    @classmethod
    @contextmanager
    def before(cls, collector: str) -> Iterator[Truth]:
        """Stand before a Collector during the block."""
        with cls(collector) as truth:
            serving = threading.Thread(target=truth.serve_forever, kwargs={"poll_interval": 0.05})
            serving.start()
            yield truth
            truth.shutdown()
            serving.join()
            truth.collector.close()

    def remember(self, request: ExportTraceServiceRequest) -> None:
        """Write spans down."""
        with self._lock:
            for resource in request.resource_spans:
                (service,) = (
                    each.value.string_value
                    for each in resource.resource.attributes
                    if each.key == "service.name"
                )
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        trace = self._spans.setdefault(span.trace_id.hex(), {})
                        trace[span.span_id.hex()] = Sent(service, span)
                        if span.name == "process speech:events":
                            self._ended.add(span.trace_id.hex())

    def trace(self, trace_id: str) -> dict[str, Sent]:
        """The spans of one trace by their ids."""
        with self._lock:
            return dict(self._spans.get(trace_id, {}))

    def ended(self) -> int:
        """How many jobs the gateway was told the end of."""
        return len(self._ended)

    def calls(self) -> Counter[tuple[str, str, str, str]]:
        """How many spans there were, by service, name, kind and status."""
        with self._lock:
            return Counter(
                (
                    sent.service,
                    sent.wire.name,
                    Wire.SpanKind.Name(sent.wire.kind),
                    _STATUS[sent.wire.status.code],
                )
                for trace in self._spans.values()
                for sent in trace.values()
            )


class _Handler(BaseHTTPRequestHandler):
    server: Truth
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: self.headers[name] for name in _FORWARDED if name in self.headers}
        answer = self.server.collector.post(self.path, content=body, headers=headers)
        if answer.is_success and self.path == "/v1/traces":
            plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
            self.server.remember(ExportTraceServiceRequest.FromString(plain))
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/x-protobuf"))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
