"""What the intake takes, what it refuses, and how it says so."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint

from unit.services.console.conftest import PROTOBUF, Clock, Console
from unit.services.console.samples import logs, metrics, span, traces
from voxtrace_services.console import ingest
from voxtrace_services.console.app import create_app
from voxtrace_services.console.rows import Rows
from voxtrace_services.console.store import Store
from voxtrace_services.console.writer import Writer

JSON = {"Content-Type": "application/json"}
GZIP = {"Content-Encoding": "gzip"}
LIMIT = 20 * 1024 * 1024
SPAN = traces([span()]).SerializeToString()


def nested(*messages: bytes) -> bytes:
    """Put bytes into resource and scope: field 1, field 2, by hand."""
    body = b"".join(messages)
    for tag in (b"\x12", b"\x0a"):
        size, length = len(body), b""
        while size > 127:
            length += bytes([size & 127 | 128])
            size >>= 7
        body = tag + length + bytes([size]) + body
    return body


def json_span(span: bytes) -> bytes:
    """Put the JSON of a span into resource and scope."""
    return b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + span + b"]}]}]}"


async def stored(console: Console) -> int:
    """Return how many spans are in the database."""
    assert console.writer.flush(10)
    return sum(row.spans for row in console.query.signals())


@pytest.mark.parametrize(
    ("signal", "request_message", "response"),
    [
        ("traces", traces([span()]), ExportTraceServiceResponse()),
        (
            "metrics",
            metrics([Metric(name="m", gauge=Gauge(data_points=[NumberDataPoint(as_int=1)]))]),
            ExportMetricsServiceResponse(),
        ),
        ("logs", logs([LogRecord()]), ExportLogsServiceResponse()),
    ],
)
async def test_each_signal_is_taken(
    console: Console, signal: str, request_message: Message, response: Message
) -> None:
    """A good request is answered 200 with the signal's own, empty response, in the request's encoding."""
    answer = await console.send(signal, request_message)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert type(response).FromString(answer.content) == response
    [counts] = console.query.signals()
    assert counts.spans + counts.metric_points + counts.log_records == 1


async def test_gzip_is_undone(console: Console) -> None:
    """A gzip body is read, one of several members too."""
    half = len(SPAN) // 2
    for body in (gzip.compress(SPAN), gzip.compress(SPAN[:half]) + gzip.compress(SPAN[half:])):
        answer = await console.http.post("/v1/traces", content=body, headers=PROTOBUF | GZIP)
        assert answer.status_code == 200
    assert await stored(console) == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(PROTOBUF, b"\xff\xff\xff", id="no protobuf"),
        pytest.param(PROTOBUF, SPAN[:-3], id="protobuf cut short"),
        pytest.param(PROTOBUF, b"\x0b\x0c", id="protobuf group"),
        pytest.param(PROTOBUF, b"\x0a" + b"\xff" * 11, id="number without end"),
        pytest.param(PROTOBUF | GZIP, SPAN, id="gzip announced, not sent"),
        pytest.param(PROTOBUF | GZIP, gzip.compress(SPAN)[:-9], id="gzip cut short"),
        pytest.param(PROTOBUF | GZIP, gzip.compress(SPAN) + b"rest", id="gzip and more"),
        pytest.param(JSON, b"", id="no JSON"),
        pytest.param(JSON, b"\xff", id="no text"),
        pytest.param(JSON, b"[]", id="no object"),
        pytest.param(JSON, b'{"resourceSpans": 1}', id="no list"),
        pytest.param(JSON, b"[" * 100_000, id="deep list"),
        pytest.param(JSON, b'{"resourceSpans":' * 900 + b"1" + b"}" * 900, id="deep object"),
        pytest.param(JSON, json_span(b'{"traceId":"zz"}'), id="id not hex"),
        pytest.param(JSON, json_span(b'{"traceId":"a"}'), id="id of odd length"),
        pytest.param(JSON, json_span(b'{"traceId":1}'), id="id a number"),
        pytest.param(
            JSON,
            json_span(b'{"name":"\\ud800"}'),
            id="half a character",
        ),
        pytest.param(
            JSON,
            json_span(b'{"startTimeUnixNano":"99999999999999999999"}'),
            id="time beyond 64 bits",
        ),
    ],
)
async def test_malformed_bodies_are_refused(console: Console, headers: dict[str, str], body: bytes) -> None:
    """A body that cannot be read is answered 400 with a google.rpc.Status, and nothing is stored."""
    answer = await console.http.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == 400
    if headers is JSON:
        assert answer.json()["code"] == 3
        assert answer.json()["message"]
    else:
        status = Status.FromString(answer.content)
        assert (status.code, bool(status.message)) == (3, True)
    assert await stored(console) == 0


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(PROTOBUF, b"\0" * (LIMIT + 1), id="plain"),
        pytest.param(PROTOBUF | GZIP, gzip.compress(b"\0" * (8 * LIMIT)), id="gzip"),
        pytest.param(PROTOBUF | GZIP, gzip.compress(b"\0" * LIMIT) * 2, id="gzip in two members"),
        pytest.param(PROTOBUF, b"\x0a\x00" * 300_000, id="empty resources"),
        pytest.param(PROTOBUF, b"\x0a\x02\x12\x00" * 150_000, id="empty scopes"),
        pytest.param(PROTOBUF, nested(b"\x12\x00" * 300_000), id="empty spans"),
        pytest.param(
            JSON, b'{"resourceSpans":[' + b",".join([b"{}"] * 2_000_000) + b"]}", id="JSON empty resources"
        ),
    ],
)
async def test_bombs_are_refused(console: Console, headers: dict[str, str], body: bytes) -> None:
    """What is too large, or unfolds into too much, is answered 413 and nothing is stored."""
    answer = await console.http.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == 413
    assert b"smaller batches" in answer.content
    assert await stored(console) == 0


async def test_data_point_bombs_are_refused(console: Console) -> None:
    """Metrics are counted by their points, however few metrics hold them."""
    points = Gauge(data_points=[NumberDataPoint()] * 200_001)
    answer = await console.http.post(
        "/v1/metrics",
        content=metrics([Metric(name="m", gauge=points)]).SerializeToString(),
        headers=PROTOBUF,
    )
    assert answer.status_code == 413


async def test_a_body_without_length_is_bounded_too(console: Console) -> None:
    """A chunked body is refused as soon as it passes the bound, not when it ends."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024 * 1024
            yield b"\0" * (1024 * 1024)

    answer = await console.http.post("/v1/traces", content=endless(), headers=PROTOBUF)
    assert answer.status_code == 413
    assert sent <= LIMIT + 2 * 1024 * 1024


async def test_a_body_as_large_as_allowed_is_taken(console: Console) -> None:
    """The bound itself is not too large."""
    body = traces([span(attributes={"k": "x" * (LIMIT - 200)})]).SerializeToString()
    body = traces([span(attributes={"k": "x" * (LIMIT - 200 + LIMIT - len(body))})]).SerializeToString()
    assert len(body) == LIMIT
    answer = await console.http.post("/v1/traces", content=gzip.compress(body, 1), headers=PROTOBUF | GZIP)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/grpc"},
        PROTOBUF | {"Content-Encoding": "zstd"},
    ],
)
async def test_other_media_are_refused(console: Console, headers: dict[str, str]) -> None:
    """A type or an encoding that the console does not read is answered 415."""
    answer = await console.http.post("/v1/traces", content=SPAN, headers=headers)
    assert answer.status_code == 415
    assert Status.FromString(answer.content).message


async def test_a_slow_body_is_given_up(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that stalls is answered 408 after the time allowed."""
    monkeypatch.setattr(ingest, "BODY_SECONDS", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield SPAN[:4]
        await asyncio.sleep(60)

    answer = await console.http.post("/v1/traces", content=stalled(), headers=PROTOBUF)
    assert answer.status_code == 408


async def test_spans_without_ids_are_refused_one_by_one(console: Console) -> None:
    """Spans with missing, zero or short ids are counted as rejected; the others are stored."""
    bad = [span() for _ in range(4)]
    bad[0].ClearField("trace_id")
    bad[1].span_id = bytes(8)
    bad[2].trace_id = b"\1" * 8
    bad[3].span_id = b"\1" * 16
    answer = await console.send("traces", traces([*bad, span(number=7)]))
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 4)
    assert "16 bytes" in partial.error_message
    assert await stored(console) == 1


async def test_partial_success_in_json(console: Console) -> None:
    """A JSON request is told of rejected items in JSON."""
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "no ids"}]}]}]}
    answer = await console.http.post("/v1/traces", json=document)
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"


async def test_metrics_without_data_are_refused_one_by_one(console: Console) -> None:
    """A metric without data is counted as rejected."""
    answer = await console.send("metrics", metrics([Metric(name="empty")]))
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_data_points) == (200, 1)


async def test_an_empty_request_is_a_success(console: Console) -> None:
    """A request without anything in it is taken and changes nothing."""
    for headers, body in ((PROTOBUF, b""), (JSON, b"{}")):
        assert (await console.http.post("/v1/traces", content=body, headers=headers)).status_code == 200
    assert await stored(console) == 0


async def test_overload_is_told_so_that_the_sender_keeps_the_data(store: Store, clock: Clock) -> None:
    """While the writer's queue is full the answer is 503 with Retry-After; when it moves on, 200 again."""
    gate = threading.Event()

    class Gated:
        def write(self, rows: Rows) -> None:
            gate.wait(10)
            store.write(rows)

    writer = Writer(Gated(), flush_seconds=0.0, max_bytes=1)
    writer.start()
    transport = httpx.ASGITransport(create_app(store, writer, clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answers = []
        for number in range(1, 50):
            body = traces([span(number=number)]).SerializeToString()
            answers.append(await http.post("/v1/traces", content=body, headers=PROTOBUF))
            if answers[-1].status_code != 200:
                break
        assert answers[-1].status_code == 503
        assert answers[-1].headers["retry-after"] == "1"
        assert Status.FromString(answers[-1].content).code == 14
        gate.set()
        assert writer.flush(10)
        assert (await http.post("/v1/traces", content=SPAN, headers=PROTOBUF)).status_code == 200
    assert writer.close(10)
    with store.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM spans").fetchone() == (len(answers) - 1,)


async def test_a_json_answer_is_json(console: Console) -> None:
    """The success of a JSON request is an empty object."""
    document = json.dumps({"resourceLogs": []})
    answer = await console.http.post("/v1/logs", content=document, headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
