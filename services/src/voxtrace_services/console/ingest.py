"""OTLP/HTTP intake: what may be sent, how much of it, and what is answered."""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the package ships no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from voxtrace_services.console import otlp, rows
from voxtrace_services.console.errors import (
    IntakeError,
    MalformedError,
    OverloadedError,
    TooLargeError,
    TooSlowError,
    UnsupportedError,
)
from voxtrace_services.console.writer import Writer

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
#: As large as the Collector takes by default, as sent and as unpacked.
MAX_BODY_BYTES: Final = 20 * 1024 * 1024
#: A body that takes longer is given up, so that slow senders cannot hold the console.
BODY_SECONDS: Final = 30.0
#: What a refused sender is told to wait.
RETRY_AFTER_SECONDS: Final = 1
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, kw_only=True)
class _Signal:
    request: type[Message]
    response: type[Message]
    rejected: str
    to_rows: Callable[[Any, int], rows.Rows]
    hint: str


_TRACES = _Signal(
    request=ExportTraceServiceRequest,
    response=ExportTraceServiceResponse,
    rejected="rejected_spans",
    to_rows=rows.from_traces,
    hint="a span needs a trace id of 16 bytes and a span id of 8 bytes, not all zero",
)
_METRICS = _Signal(
    request=ExportMetricsServiceRequest,
    response=ExportMetricsServiceResponse,
    rejected="rejected_data_points",
    to_rows=rows.from_metrics,
    hint="a metric needs data of a kind that OTLP 1 defines",
)
_LOGS = _Signal(
    request=ExportLogsServiceRequest,
    response=ExportLogsServiceResponse,
    rejected="rejected_log_records",
    to_rows=rows.from_logs,
    hint="",
)


def routes(writer: Writer, clock: Callable[[], int], *, max_body_bytes: int = MAX_BODY_BYTES) -> APIRouter:
    """Return `POST /v1/traces`, `/v1/metrics` and `/v1/logs`, feeding `writer`."""
    router = APIRouter()
    # Reading a message holds the interpreter's lock: more at once would only hold more memory.
    readers = asyncio.Semaphore(2)

    async def export(signal: _Signal, request: Request) -> Response:
        media_type = PROTOBUF
        try:
            media_type = _media_type(request)
            body = await _body(request, max_body_bytes)
            async with readers:
                refused = await asyncio.to_thread(_take, signal, media_type, body, writer, clock)
        except IntakeError as error:
            return _failure(error, media_type)
        return _success(signal, refused, media_type)

    @router.post("/v1/traces")
    async def traces(request: Request) -> Response:
        return await export(_TRACES, request)

    @router.post("/v1/metrics")
    async def metrics(request: Request) -> Response:
        return await export(_METRICS, request)

    @router.post("/v1/logs")
    async def logs(request: Request) -> Response:
        return await export(_LOGS, request)

    return router


def _take(signal: _Signal, media_type: str, body: bytes, writer: Writer, clock: Callable[[], int]) -> int:
    """Read and queue one request, and return how many items were refused."""
    read = otlp.from_json if media_type == JSON else otlp.from_protobuf
    taken = signal.to_rows(read(body, signal.request()), clock())
    writer.submit(taken)
    return taken.rejected


def _media_type(request: Request) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (PROTOBUF, JSON):
        raise UnsupportedError(f"Content-Type must be {PROTOBUF} or {JSON}")
    return media_type


async def _body(request: Request, limit: int) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise UnsupportedError("Content-Encoding must be gzip or absent")
    too_large = TooLargeError(f"the body is larger than {limit} bytes; send smaller batches")
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_large
    chunks = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                if len(chunks) + len(chunk) > limit:
                    raise too_large
                chunks += chunk
    except TimeoutError as error:
        raise TooSlowError(f"the body did not arrive within {BODY_SECONDS:g} s") from error
    return await asyncio.to_thread(_unpacked, bytes(chunks), limit) if encoding == "gzip" else bytes(chunks)


def _unpacked(packed: bytes, limit: int) -> bytes:
    """Undo gzip without ever holding more than `limit` bytes of it."""
    unpacked = bytearray()
    while packed:
        stream = zlib.decompressobj(_GZIP)
        try:
            unpacked += stream.decompress(packed, limit - len(unpacked) + 1)
        except zlib.error as error:
            raise MalformedError(f"the body is not gzip: {error}") from error
        if len(unpacked) > limit:
            raise TooLargeError(f"the body unpacks to more than {limit} bytes; send smaller batches")
        if not stream.eof:
            raise MalformedError("the gzip body is cut short")
        # RFC 1952: a file may be several members in a row.
        packed = stream.unused_data
    return bytes(unpacked)


def _success(signal: _Signal, refused: int, media_type: str) -> Response:
    message: Any = signal.response()
    if refused:
        setattr(message.partial_success, signal.rejected, refused)
        message.partial_success.error_message = signal.hint
    return Response(_encoded(message, media_type), media_type=media_type)


def _failure(error: IntakeError, media_type: str) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if isinstance(error, OverloadedError) else None
    body = _encoded(Status(code=error.code, message=str(error)), media_type)
    return Response(body, status_code=error.status, media_type=media_type, headers=headers)


def _encoded(message: Message, media_type: str) -> bytes:
    if media_type == JSON:
        return json_format.MessageToJson(message, indent=None).encode()
    return message.SerializeToString()
