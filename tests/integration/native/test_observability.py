"""Spans sent to the Collector are found in Jaeger, counted in Prometheus, and kept through outages."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from integration.native.sending import send
from integration.native.waiting import eventually
from voxtrace_services.native import Observability, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator


def _get(url: str, **parameters: str) -> Any:
    try:
        answer = httpx.get(url, params=parameters, timeout=15, trust_env=False)
    except httpx.TransportError as error:
        # A busy machine answers late: one more thing to wait for, within the test's deadline.
        raise AssertionError(url) from error
    assert answer.is_success, answer.text
    return answer.json()


def _span_ids(jaeger_url: str, trace_id: str) -> set[str]:
    found = _get(f"{jaeger_url}/api/v3/traces/{trace_id}")["result"]["resourceSpans"]
    return {span["spanId"] for entry in found for scope in entry["scopeSpans"] for span in scope["spans"]}


def _query(observability: Observability, expression: str) -> list[dict[str, Any]]:
    found = _get(f"{observability.prometheus_url}/api/v1/query", query=expression)["data"]["result"]
    assert isinstance(found, list)
    return found


@pytest.fixture(name="private_observability")
def _private_observability(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observability]:
    with Observability(tmp_path_factory.mktemp("private"), ports=Ports.free()) as group:
        yield group


def test_spans_are_found_in_jaeger(observability: Observability) -> None:
    """Each span sent to the Collector is the one that Jaeger shows under its trace id."""
    sent = send(observability.otlp_endpoint, service="found", count=3)

    def condition() -> None:
        for trace_id, span_id in sent:
            assert _span_ids(observability.jaeger_url, trace_id) == {span_id}

    eventually(condition)


def test_calls_are_counted_exactly(observability: Observability) -> None:
    """Prometheus counts as many calls and errors as there were, under the promised names and labels."""
    send(observability.otlp_endpoint, service="counted", count=10)

    def condition() -> None:
        rows = _query(
            observability,
            'sum by (span_name, span_kind, status_code) (traces_span_metrics_calls_total{job="counted"})',
        )
        assert {row["metric"]["status_code"]: row["value"][1] for row in rows} == {
            "STATUS_CODE_ERROR": "4",
            "STATUS_CODE_UNSET": "6",
        }
        assert {(row["metric"]["span_name"], row["metric"]["span_kind"]) for row in rows} == {
            ("process speech:transcribe", "SPAN_KIND_CONSUMER")
        }

    eventually(condition)


def test_durations_are_seconds_up_to_ten_minutes(observability: Observability) -> None:
    """The duration histogram is in seconds and its last bucket fits a long transcription."""
    send(observability.otlp_endpoint, service="timed", count=2)

    def condition() -> None:
        rows = _query(
            observability, 'sum by (le) (traces_span_metrics_duration_seconds_bucket{service_name="timed"})'
        )
        counts = {float(row["metric"]["le"]): row["value"][1] for row in rows}
        assert {0.005, 600, float("inf")} <= counts.keys()
        assert counts[600] == "2"

    eventually(condition)


def test_exemplars_lead_to_jaeger(observability: Observability) -> None:
    """The trace id of an exemplar in Prometheus is a trace in Jaeger."""
    sent = dict(send(observability.otlp_endpoint, service="exemplified", count=3))

    def condition() -> None:
        now = time.time()
        found = _get(
            f"{observability.prometheus_url}/api/v1/query_exemplars",
            query='traces_span_metrics_duration_seconds_bucket{service_name="exemplified"}',
            start=str(now - 600),
            end=str(now + 60),
        )["data"]
        traces = {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}
        assert traces
        assert traces <= sent.keys()
        for trace_id in traces:
            assert _span_ids(observability.jaeger_url, trace_id) == {sent[trace_id]}

    eventually(condition)


def test_jaeger_reads_its_monitor_page_from_prometheus(observability: Observability) -> None:
    """Jaeger's SPM endpoints answer with numbers for calls, errors and latencies of a service."""

    # A rate needs two scrapes of a series that grows between them.
    def condition() -> None:
        send(observability.otlp_endpoint, service="monitored", count=3)
        for metric in ("calls", "errors", "latencies"):
            answer = _get(
                f"{observability.jaeger_url}/api/metrics/{metric}",
                service="monitored",
                spanKind="consumer",
                quantile="0.95",
                lookback="600000",
                step="5000",
                ratePer="60000",
                endTs=str(int(time.time() * 1000)),
            )
            points = [point for row in answer["metrics"] for point in row["metricPoints"]]
            values = [point["gaugeValue"]["doubleValue"] for point in points]
            assert any(isinstance(value, float | int) and value > 0 for value in values), metric

    eventually(condition, seconds=60)


def test_the_queue_outlives_jaeger_and_the_collector(private_observability: Observability) -> None:
    """Spans taken while Jaeger was down arrive later, even when the Collector was killed meanwhile."""
    private_observability.process("jaeger").stop()
    sent = send(private_observability.otlp_endpoint, service="patient", count=20)
    private_observability.kill("collector", signal.SIGKILL)
    private_observability.process("collector").start()
    private_observability.process("jaeger").start()

    def condition() -> None:
        for trace_id, span_id in sent:
            assert _span_ids(private_observability.jaeger_url, trace_id) == {span_id}

    eventually(condition)
