"""Twenty uploads, three of them in trouble: what Jaeger and Prometheus must say of them."""

from __future__ import annotations

import time
from collections import Counter

import httpx
import pytest

from e2e.backend import Backend
from e2e.evidence import KINDS, STRANGER, Upload, counted, jaeger_trace, prometheus, until
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native.stack import Stack

SERVICES = ("gateway", "asr", "translation", "synthesis")

#: Service x signal: each must have arrived where its readers look.
SIGNAL_MATRIX = [(service, signal) for service in SERVICES for signal in ("traces", "metrics", "logs")]

#: Parent service -> child service over all uploads; every edge between two services is a queue.
EDGES = {
    ("gateway", "gateway"),
    ("gateway", "asr"),
    ("asr", "asr"),
    ("asr", "translation"),
    ("translation", "translation"),
    ("translation", "synthesis"),
    ("synthesis", "synthesis"),
    ("synthesis", "gateway"),
    # The outcome of a failed upload goes straight back.
    ("asr", "gateway"),
    ("translation", "gateway"),
}

UNSET, ERROR = "STATUS_CODE_UNSET", "STATUS_CODE_ERROR"
#: What twenty uploads amount to, span by span. Three attempts: at once, after 0.5 s, after 1 s.
CALLS = Counter(
    {
        ("gateway", "POST /v1/uploads", UNSET): 20,
        ("gateway", "publish speech:transcribe", UNSET): 20,
        ("gateway", "wait events", UNSET): 20,
        ("gateway", "process speech:events", UNSET): 20,
        ("asr", "wait transcribe", UNSET): 20,
        ("asr", "process speech:transcribe", UNSET): 19,
        ("asr", "process speech:transcribe", ERROR): 1,
        # Whisper does not mind a recording of no samples: the worker does.
        ("asr", "speech_to_text tiny.en", UNSET): 20,
        ("asr", "publish speech:translate", UNSET): 19,
        ("asr", "publish speech.dead:transcribe", UNSET): 1,
        ("asr", "publish speech:events", UNSET): 1,
        ("translation", "wait translate", UNSET): 22,
        ("translation", "process speech:translate", UNSET): 18,
        ("translation", "process speech:translate", ERROR): 4,
        ("translation", "translate eng-spa", UNSET): 18,
        ("translation", "translate eng-spa", ERROR): 4,
        ("translation", "publish speech:synthesize", UNSET): 18,
        ("translation", "publish speech.retry.0.5s:translate", UNSET): 2,
        ("translation", "publish speech.retry.1s:translate", UNSET): 1,
        ("translation", "publish speech.dead:translate", UNSET): 1,
        ("translation", "publish speech:events", UNSET): 1,
        ("synthesis", "wait synthesize", UNSET): 18,
        ("synthesis", "process speech:synthesize", UNSET): 18,
        ("synthesis", "text_to_speech es", UNSET): 18,
        ("synthesis", "publish speech:events", UNSET): 18,
    }
)


def test_uploads_end_as_they_must(uploads: list[Upload]) -> None:
    """Eighteen uploads complete; the broken recording and the untranslatable one fail with their reason."""
    ends = Counter((upload.kind, upload.state, (upload.failure or {}).get("reason")) for upload in uploads)
    assert ends == Counter(
        {
            ("short", "completed", None): KINDS["short"],
            ("long", "completed", None): KINDS["long"],
            ("once", "completed", None): KINDS["once"],
            ("broken", "failed", "audio_undecodable"): KINDS["broken"],
            ("never", "failed", "attempts_exhausted"): KINDS["never"],
        }
    )


@pytest.mark.parametrize(("service", "signal"), SIGNAL_MATRIX)
def test_signal_matrix(pipeline: Stack, traces: dict[str, Trace], service: str, signal: str) -> None:
    """Each service is seen in each signal."""

    def seen() -> bool:
        if signal == "traces":
            known = httpx.get(f"{pipeline.jaeger_url}/api/v3/services", timeout=10).json()["services"]
            return service in known
        if signal == "metrics":
            return bool(prometheus(pipeline, f'messaging_client_sent_messages_total{{job="{service}"}}'))
        # Logs go through the Collector to the console.
        signals = httpx.get(f"{pipeline.console_url}/api/signals", timeout=10).json()
        return any(row["service"] == service and row["log_records"] > 0 for row in signals["services"])

    assert until(seen, bool)


def test_edge_list(traces: dict[str, Trace]) -> None:
    """Spans of two services are joined across every queue, and nowhere else."""
    edges = set()
    for trace in traces.values():
        service_of = {span.span_id: span.service for span in trace.spans}
        edges |= {
            (service_of[span.parent_id], span.service) for span in trace.spans if span.parent_id in service_of
        }
    assert edges == EDGES


def test_one_root_and_no_orphan(traces: dict[str, Trace]) -> None:
    """Every upload is one connected trace that starts at the gateway's edge."""
    tops = {
        upload: [row.span.name for row in trace.rows if row.depth == 0] for upload, trace in traces.items()
    }
    assert set(map(tuple, tops.values())) == {("POST /v1/uploads",)}
    assert [span for trace in traces.values() for span in trace.orphans] == []


def test_strangers_context_is_only_linked(
    pipeline: Stack, uploads: list[Upload], traces: dict[str, Trace]
) -> None:
    """The traceparent that came with every upload is a link on its root, and hid or joined nothing."""
    assert len({upload.trace_id for upload in uploads}) == len(uploads)
    for upload in uploads:
        answer = httpx.get(f"{pipeline.jaeger_url}/api/v3/traces/{upload.trace_id}", timeout=10).json()
        roots = [
            span
            for resource in answer["result"]["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
            if not span.get("parentSpanId")
        ]
        assert [link["traceId"] for root in roots for link in root["links"]] == [STRANGER]


def test_calls_equal_the_known_truth(pipeline: Stack, traces: dict[str, Trace]) -> None:
    """The Collector counts every span of the twenty uploads once, by service, name and status."""
    query = "sum by (service_name, span_name, status_code) (traces_span_metrics_calls_total)"

    def read() -> Counter[tuple[str, ...]]:
        calls = counted(pipeline, query, "service_name", "span_name", "status_code")
        # Whisper's inside has a test of its own; how often the state is polled is up to the test.
        left_out = ("speech.", "GET /v1/uploads/{upload_id}")
        return Counter({key: count for key, count in calls.items() if not key[1].startswith(left_out)})

    assert until(read, lambda calls: calls == CALLS) == CALLS


def test_engine_stages_are_counted_as_traced(pipeline: Stack, traces: dict[str, Trace]) -> None:
    """Whisper's inner stages are as many in the metrics as in the traces."""
    stages = ("speech.audio.load", "speech.asr.features", "speech.asr.encode", "speech.asr.decode")
    traced = Counter((span.name,) for trace in traces.values() for span in trace.spans if span.name in stages)
    assert set(traced) == {(stage,) for stage in stages}
    query = "sum by (span_name, status_code) (traces_span_metrics_calls_total)"

    def read() -> Counter[tuple[str, ...]]:
        calls = counted(pipeline, query, "span_name", "status_code")
        return Counter(
            {
                (name,): count
                for (name, status), count in calls.items()
                if (name,) in traced and status == UNSET
            }
        )

    assert until(read, lambda calls: calls == traced) == traced


def test_nothing_is_counted_twice(pipeline: Stack, traces: dict[str, Trace]) -> None:
    """Over every scraped target, the sum of consumed messages is the number of deliveries."""
    query = "sum by (job) (messaging_client_consumed_messages_total)"
    truth = Counter({("gateway",): 20, ("asr",): 20, ("translation",): 22, ("synthesis",): 18})
    assert until(lambda: counted(pipeline, query, "job"), lambda sums: sums == truth) == truth


def test_an_exemplar_opens_its_trace(pipeline: Stack, traces: dict[str, Trace]) -> None:
    """The trace id on an exemplar of a stage's duration is a trace in Jaeger."""
    now = time.time()

    def read() -> set[str]:
        answer = httpx.get(
            f"{pipeline.prometheus_url}/api/v1/query_exemplars",
            params={
                "query": 'traces_span_metrics_duration_seconds_bucket{service_name="asr"}',
                "start": now - 3600,
                "end": now + 3600,
            },
            timeout=10,
        ).json()
        return {
            exemplar["labels"]["trace_id"] for series in answer["data"] for exemplar in series["exemplars"]
        }

    of_uploads = until(lambda: read() & {trace.trace_id for trace in traces.values()}, bool)
    assert of_uploads
    answer = httpx.get(f"{pipeline.jaeger_url}/api/v3/traces/{of_uploads.pop()}", timeout=10)
    assert answer.status_code == 200


@pytest.mark.parametrize("service", SERVICES)
def test_jaeger_monitors_each_service(pipeline: Stack, traces: dict[str, Trace], service: str) -> None:
    """Jaeger's service performance endpoint answers with calls of each service."""
    kind = "server" if service == "gateway" else "consumer"

    def read() -> list[object]:
        answer = httpx.get(
            f"{pipeline.jaeger_url}/api/metrics/calls",
            params={
                "service": service,
                "spanKind": kind,
                "endTs": round(time.time() * 1000),
                "lookback": 600_000,
                "step": 5_000,
                "ratePer": 60_000,
            },
            timeout=10,
        )
        answer.raise_for_status()
        points = [point for metric in answer.json().get("metrics", ()) for point in metric["metricPoints"]]
        return [point for point in points if float(point["gaugeValue"].get("doubleValue", 0)) > 0]

    assert until(read, bool)


def test_the_waterfall_is_the_designed_one(uploads: list[Upload], traces: dict[str, Trace]) -> None:
    """A plain upload's trace has each hop's wait, work and publish in order, with Whisper's inner stages."""
    upload = next(upload for upload in uploads if upload.kind == "long")
    inner = ("speech.vad", "speech.asr.detect_language", "speech.asr.align")
    story = [
        (row.depth, row.span.service, row.span.name)
        for row in traces[upload.id].rows
        if row.span.name not in inner
    ]
    assert [step for step in story if not step[2].startswith("speech.")] == [
        (0, "gateway", "POST /v1/uploads"),
        (1, "gateway", "publish speech:transcribe"),
        (2, "asr", "wait transcribe"),
        (2, "asr", "process speech:transcribe"),
        (3, "asr", "speech_to_text tiny.en"),
        (3, "asr", "publish speech:translate"),
        (4, "translation", "wait translate"),
        (4, "translation", "process speech:translate"),
        (5, "translation", "translate eng-spa"),
        (5, "translation", "publish speech:synthesize"),
        (6, "synthesis", "wait synthesize"),
        (6, "synthesis", "process speech:synthesize"),
        (7, "synthesis", "text_to_speech es"),
        (7, "synthesis", "publish speech:events"),
        (8, "gateway", "wait events"),
        (8, "gateway", "process speech:events"),
    ]
    stages = {name for depth, _, name in story if depth == 4 and name.startswith("speech.")}
    assert stages >= {"speech.audio.load", "speech.asr.features", "speech.asr.encode", "speech.asr.decode"}


def test_any_otlp_backend_gets_the_same(pipeline: Stack, backend: Backend, traces: dict[str, Trace]) -> None:
    """A guarded backend that two variables name receives all three signals, the spans id by id as Jaeger."""
    uploads = {trace.trace_id for trace in traces.values()}

    def read() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        # Both anew: spans that are no span's parent may come after the trace was found whole.
        in_jaeger = {name: {span.span_id for span in jaeger_trace(pipeline, name).spans} for name in uploads}
        in_backend = {name: ids for name, ids in backend.span_ids().items() if name in uploads}
        return in_backend, in_jaeger

    in_backend, in_jaeger = until(read, lambda both: both[0] == both[1])
    assert in_backend == in_jaeger
    for signal in ("Metrics", "Log"):
        assert until(lambda signal=signal: backend.services(signal) >= set(SERVICES), bool), signal


def test_the_backend_is_guarded(backend: Backend) -> None:
    """Without the token the backend takes nothing."""
    assert httpx.post(f"{backend.endpoint}/v1/traces", json={}, timeout=10).status_code == 401
