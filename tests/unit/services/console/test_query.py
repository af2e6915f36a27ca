"""What the console answers, against truths worked out in Python."""

import json
import random
from collections import defaultdict
from statistics import quantiles
from typing import Any

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from unit.services.console.conftest import Console
from unit.services.console.samples import NOW, SECOND, logs, metrics, pairs, span, traces, value
from voxtrace_services.console import rows

TRACE = "1".zfill(32)
UPLOAD = "messaging.message.conversation_id"
EVER = {"query.startTimeMin": "1970-01-01T00:00:00Z", "query.startTimeMax": "2100-01-01T00:00:00Z"}


def ids(document: Any) -> list[tuple[int, int]]:
    """Return trace and span numbers of a trace document, in its order."""
    return [
        (int(found["traceId"], 16), int(found["spanId"], 16))
        for group in document["result"]["resourceSpans"]
        for scoped in group["scopeSpans"]
        for found in scoped["spans"]
    ]


async def search(console: Console, **asked: Any) -> list[int]:
    """Return the numbers of the traces found, or none on 404."""
    parameters = EVER | {f"query.{name}": asked[name] for name in asked}
    answer = await console.http.get("/api/v3/traces", params=parameters)
    if answer.status_code == 404:
        return []
    assert answer.status_code == 200, answer.text
    return sorted({trace for trace, _ in ids(answer.json())})


async def test_a_trace_is_put_together_from_its_services(console: Console) -> None:
    """Spans of several services and requests are one trace, each under its own resource."""
    await console.send("traces", traces([span(number=2, parent=1, start=1)], service="asr"))
    await console.send("traces", traces([span(number=1), span(number=3, start=2)], service="gateway"))
    await console.send("traces", traces([span(trace=2, number=9)], service="gateway"))
    document = await console.get(f"/api/v3/traces/{TRACE}")
    assert sorted(ids(document)) == [(1, 1), (1, 2), (1, 3)]
    services = {
        group["resource"]["attributes"][0]["value"]["stringValue"]: len(group["scopeSpans"][0]["spans"])
        for group in document["result"]["resourceSpans"]
    }
    assert services == {"gateway": 2, "asr": 1}


async def test_trace_ids_are_read_as_jaeger_reads_them(console: Console) -> None:
    """Capitals and missing leading zeros do not matter."""
    await console.send("traces", traces([span(trace=0xAB)]))
    for written in ("ab", "AB", "ab".zfill(32)):
        assert ids(await console.get(f"/api/v3/traces/{written}")) == [(0xAB, 1)]


@pytest.mark.parametrize("path", [f"/api/v3/traces/{TRACE}", "/api/v3/traces"])
async def test_nothing_found_is_404_in_jaegers_shape(console: Console, path: str) -> None:
    """An unknown trace and an empty search are both 404."""
    answer = await console.http.get(path, params=EVER)
    assert answer.status_code == 404
    assert answer.json() == {"error": {"httpCode": 404, "message": "No traces found"}}


@pytest.mark.parametrize(
    ("path", "parameters", "name"),
    [
        ("/api/v3/traces/xyz", {}, "trace_id"),
        ("/api/v3/traces/" + "1" * 33, {}, "trace_id"),
        ("/api/v3/traces", {"query.startTimeMin": "yesterday"}, "query.startTimeMin"),
        ("/api/v3/traces", {"query.startTimeMax": "2026-01-01T00:00:00"}, "query.startTimeMax"),
        ("/api/v3/traces", {"query.startTimeMax": "2026-13-01T00:00:00Z"}, "query.startTimeMax"),
        ("/api/v3/traces", {"query.durationMin": "5"}, "query.durationMin"),
        ("/api/v3/traces", {"query.searchDepth": "-1"}, "query.searchDepth"),
        ("/api/v3/traces", {"query.attributes": "a=b"}, "query.attributes"),
        ("/api/v3/traces", {"query.attributes": "[]"}, "query.attributes"),
        ("/api/v3/traces", {"query.attributes": '{"a":1}'}, "query.attributes"),
        ("/api/red", {"window": "0"}, "window"),
        ("/api/red", {"window": "nan"}, "window"),
        ("/api/logs", {"trace_id": "?"}, "trace_id"),
        ("/api/logs", {"limit": "many"}, "limit"),
    ],
)
async def test_bad_parameters_are_named(
    console: Console, path: str, parameters: dict[str, str], name: str
) -> None:
    """A parameter that cannot be read is answered 400 in Jaeger's shape, by its name."""
    answer = await console.http.get(path, params=parameters)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["httpCode"] == 400
    assert error["message"].startswith(f"malformed parameter {name}: ")


async def test_services_and_operations(console: Console) -> None:
    """Services and operations are each named once, sorted; operations by kind if asked."""
    await console.send("traces", traces([span(number=1, name="b"), span(number=2, name="b")], service="asr"))
    await console.send(
        "traces",
        traces(
            [
                span(trace=2, number=1, name="a", kind=Span.SPAN_KIND_CONSUMER),
                span(trace=2, number=2, name="c", kind=Span.SPAN_KIND_UNSPECIFIED),
                span(trace=2, number=3, name="c", kind=Span.SPAN_KIND_INTERNAL),
                span(trace=2, number=4, name="c", kind=99),
            ],
            service="asr",
            host="other",
        ),
    )
    await console.send("traces", traces([span(trace=3)], service=None))
    await console.send("logs", logs([LogRecord()], service="logs-only"))
    assert await console.get("/api/v3/services") == {"services": ["asr", "unknown_service"]}
    a, b, c = (
        {"name": "a", "spanKind": "consumer"},
        {"name": "b", "spanKind": "server"},
        {"name": "c", "spanKind": "internal"},
    )
    assert await console.get("/api/v3/operations", service="asr") == {"operations": [a, b, c]}
    for spelling in ("spanKind", "span_kind"):
        found = await console.get("/api/v3/operations", service="asr", **{spelling: "consumer"})
        assert found == {"operations": [a]}
    assert await console.get("/api/v3/operations", service="nobody") == {"operations": []}


async def test_an_upload_is_found_by_its_id(console: Console) -> None:
    """The upload's id, on any one span of a trace, finds that whole trace and no other."""
    await console.send(
        "traces",
        traces([span(trace=1, number=1), span(trace=1, number=2, attributes={UPLOAD: "upload-1"})]),
    )
    await console.send("traces", traces([span(trace=2, attributes={UPLOAD: "upload-2"})]))
    answer = await console.get(
        "/api/v3/traces", **EVER, **{"query.attributes": json.dumps({UPLOAD: "upload-1"})}
    )
    assert sorted(ids(answer)) == [(1, 1), (1, 2)]
    assert await search(console, attributes=json.dumps({UPLOAD: "upload-3"})) == []
    assert await search(console, attributes=json.dumps({UPLOAD: ""})) == []


@pytest.mark.parametrize(
    ("plain", "written"),
    [
        ("text", "text"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-7, "-7"),
        (2.0, "2"),
        (0.5, "0.5"),
        (b"\0\xff", "AP8="),
        ([1, "a", [True]], '[1,"a",[true]]'),
        ({"k": None}, '{"k":null}'),
        (None, ""),
    ],
)
async def test_any_type_can_be_searched_as_text(console: Console, plain: Any, written: str) -> None:
    """Each attribute type has one spelling to search by."""
    assert rows.text(value(plain)) == written
    await console.send("traces", traces([span(attributes={"key": plain})]))
    assert await search(console, attributes=json.dumps({"key": written})) == [1]
    assert await search(console, attributes=json.dumps({"key": written + "x"})) == []


async def test_all_that_is_asked_must_hold_for_one_span(console: Console) -> None:
    """Conditions are met by one span together; its resource's attributes count too."""
    await console.send(
        "traces",
        traces([span(trace=1, number=1, name="a", attributes={"x": "1"}), span(trace=1, number=2, name="b")]),
    )
    await console.send("traces", traces([span(trace=2, name="a", seconds=5)], service="asr", zone="eu"))
    assert await search(console) == [1, 2]
    assert await search(console, operationName="a") == [1, 2]
    assert await search(console, operationName="b", attributes='{"x":"1"}') == []
    assert await search(console, operationName="a", attributes='{"x":"1"}') == [1]
    assert await search(console, attributes='{"zone":"eu"}') == [2]
    assert await search(console, serviceName="asr") == [2]
    assert await search(console, service_name="gateway") == [1]
    assert await search(console, durationMin="1.5s") == [2]
    assert await search(console, durationMin="1s", durationMax="4999ms") == [1]
    assert await search(console, durationMin="1m") == []


async def test_times_are_exact_to_the_nanosecond(console: Console) -> None:
    """Both bounds of a search are inclusive, and read to the last of nine digits."""
    one = span()
    one.start_time_unix_nano = NOW + 123_456_789
    await console.send("traces", traces([one]))
    at = "2026-01-01T00:00:00.123456789Z"
    before, after = at.replace("789Z", "788Z"), at.replace("789Z", "790Z")
    assert await search(console, startTimeMin=at, startTimeMax=at) == [1]
    assert await search(console, startTimeMin=after) == []
    assert await search(console, startTimeMax=before) == []
    shifted = "2026-01-01T02:00:00.123456789+02:00"
    assert await search(console, startTimeMin=shifted, startTimeMax=shifted) == [1]


async def test_the_newest_traces_come_up_to_the_depth(console: Console) -> None:
    """Of more traces than asked for, those that started last are given, by either spelling of the depth."""
    for trace in range(1, 6):
        await console.send("traces", traces([span(trace=trace, start=float(trace))]))
    assert await search(console, searchDepth=2) == [4, 5]
    assert await search(console, num_traces=3) == [3, 4, 5]


async def test_red_equals_the_truth(console: Console) -> None:
    """Calls, errors, rate and quantiles of each operation are those that plain Python works out."""
    source = random.Random(7)  # noqa: S311 - durations, not secrets
    truth: dict[tuple[str, str, str], list[tuple[float, bool]]] = defaultdict(list)
    numbers = iter(range(1, 10_000))
    for service in ("asr", "gateway"):
        made = []
        for _ in range(400):
            name, kind = source.choice(["a", "b"]), source.choice([2, 5])
            seconds, error = source.randrange(1, 10**10) / 1e9, source.random() < 0.1
            ended = -source.random() * 120
            made.append(
                span(
                    number=next(numbers),
                    name=name,
                    start=ended - seconds,
                    seconds=seconds,
                    kind=kind,
                    error=error,
                )
            )
            if made[-1].end_time_unix_nano >= NOW - 60 * SECOND:
                took = made[-1].end_time_unix_nano - made[-1].start_time_unix_nano
                truth[service, name, {2: "server", 5: "consumer"}[kind]].append((took / 1e9, error))
        await console.send("traces", traces(made, service=service))
    answer = await console.get("/api/red", window="60")
    assert answer["window"] == 60
    assert [(row["service"], row["operation"], row["kind"]) for row in answer["rows"]] == sorted(truth)
    for row in answer["rows"]:
        calls = truth[row["service"], row["operation"], row["kind"]]
        cuts = quantiles([seconds for seconds, _ in calls], n=100, method="inclusive")
        assert row["calls"] == len(calls)
        assert row["errors"] == sum(error for _, error in calls)
        assert row["rate"] == pytest.approx(len(calls) / 60)
        assert [row["p50"], row["p95"], row["p99"]] == pytest.approx([cuts[49], cuts[94], cuts[98]])


async def test_red_of_a_span_that_ends_before_it_starts(console: Console) -> None:
    """A sender's clock that ran backwards gives a duration of zero, not a wrong or missing row."""
    await console.send("traces", traces([span(start=0.0, seconds=-1.0)]))
    [row] = (await console.get("/api/red"))["rows"]
    assert (row["calls"], row["p50"], row["p99"]) == (1, 0.0, 0.0)


async def test_signals_are_counted_by_service(console: Console) -> None:
    """Spans, metric points and log records are counted for each service that sent any."""
    await console.send("traces", traces([span(number=1), span(number=2)], service="asr"))
    points = [NumberDataPoint(as_int=1, attributes=pairs({"n": number})) for number in range(3)]
    await console.send("metrics", metrics([Metric(name="m", sum=Sum(data_points=points))], service="asr"))
    await console.send("logs", logs([LogRecord()], service="gateway"))
    assert await console.get("/api/signals") == {
        "services": [
            {"service": "asr", "spans": 2, "metric_points": 3, "log_records": 0},
            {"service": "gateway", "spans": 0, "metric_points": 0, "log_records": 1},
        ]
    }


async def test_logs_of_a_trace_and_of_a_service(console: Console) -> None:
    """Log records come back whole and in order of time; the newest, if there are more than asked for."""
    of_trace = LogRecord(
        time_unix_nano=NOW + 2,
        observed_time_unix_nano=NOW + 3,
        severity_number=17,  # type: ignore[arg-type]  # an enum's number
        severity_text="ERROR",
        body=value({"what": "failed"}),
        attributes=pairs({"stage": "asr"}),
        trace_id=bytes.fromhex(TRACE),
        span_id=b"\0\0\0\0\0\0\0\1",
        flags=1,
        event_name="e",
    )
    await console.send("logs", logs([of_trace, LogRecord(observed_time_unix_nano=NOW + 1)], service="asr"))
    await console.send("logs", logs([LogRecord(time_unix_nano=NOW)], service="gateway"))

    def times(document: Any) -> list[int]:
        return [
            int(record.get("timeUnixNano", record.get("observedTimeUnixNano"))) - NOW
            for group in document["result"].get("resourceLogs", [])
            for scoped in group["scopeLogs"]
            for record in scoped["logRecords"]
        ]

    [stored] = console.query.logs(trace_id=TRACE, service=None, limit=10).resource_logs
    assert list(stored.scope_logs[0].log_records) == [of_trace]
    assert times(await console.get("/api/logs", trace_id=TRACE)) == [2]
    assert times(await console.get("/api/logs", service="asr")) == [1, 2]
    assert times(await console.get("/api/logs")) == [0, 1, 2]
    assert times(await console.get("/api/logs", limit="2")) == [1, 2]
    assert times(await console.get("/api/logs", trace_id=TRACE, service="gateway")) == []


async def test_metrics_come_back_point_by_point(console: Console) -> None:
    """Every kind of metric is read back with its points, and its numbers stand in columns for SQL."""
    sent = [
        Metric(
            name="gauge",
            unit="s",
            gauge=Gauge(data_points=[NumberDataPoint(time_unix_nano=1, as_double=0.5)]),
        ),
        Metric(
            name="sum",
            description="d",
            sum=Sum(
                data_points=[NumberDataPoint(time_unix_nano=2, as_int=7)],
                is_monotonic=True,
                aggregation_temporality=2,  # type: ignore[arg-type]  # an enum's number
            ),
        ),
        Metric(
            name="histogram",
            histogram=Histogram(
                data_points=[
                    HistogramDataPoint(
                        time_unix_nano=3, count=2, sum=3.5, bucket_counts=[1, 1], explicit_bounds=[1.0]
                    )
                ]
            ),
        ),
        Metric(
            name="exponential",
            exponential_histogram=ExponentialHistogram(
                data_points=[ExponentialHistogramDataPoint(time_unix_nano=4, count=5)]
            ),
        ),
        Metric(
            name="summary",
            summary=Summary(data_points=[SummaryDataPoint(time_unix_nano=5, count=6, sum=9.0)]),
        ),
    ]
    await console.send("metrics", metrics(sent))
    [group] = console.query.metrics(service="gateway", name=None, limit=10).resource_metrics
    assert list(group.scope_metrics[0].metrics) == sent
    with console.store.cursor() as cursor:
        columns = cursor.execute(
            "SELECT name, kind, unit, value, measurements FROM points ORDER BY time_ns"
        ).fetchall()
    assert columns == [
        ("gauge", "gauge", "s", 0.5, None),
        ("sum", "sum", "", 7.0, None),
        ("histogram", "histogram", "", 3.5, 2),
        ("exponential", "exponential_histogram", "", None, 5),
        ("summary", "summary", "", 9.0, 6),
    ]
    answer = await console.get("/api/metrics", service="gateway", name="sum")
    assert answer["result"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"] == [
        {
            "name": "sum",
            "description": "d",
            "sum": {
                "dataPoints": [{"timeUnixNano": "2", "asInt": "7"}],
                "aggregationTemporality": 2,
                "isMonotonic": True,
            },
        }
    ]
