"""Twenty uploads, three of them in trouble: what Prometheus, and Jaeger's monitor on it, must say of them."""

from __future__ import annotations

import time
from collections import Counter

import httpx
import pytest

from e2e.evidence import SERVICES, StatusPolls, Upload, counted, jaeger_trace, until
from voxtrace_services.cli.trace import Trace
from voxtrace_services.core.topology import WORK_QUEUES
from voxtrace_services.native.stack import Stack

#: What deploy/prometheus has scraped: the services through the Collector, the Collector itself, the broker.
SCRAPE_JOBS = ("collector-exporter", "collector", "rabbitmq", "rabbitmq-queues")

#: How often Whisper does these depends on the speech: they must be counted as often as they were traced.
HEARD = ("speech.asr.encode", "speech.asr.decode")

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
        ("asr", "speech.audio.load", UNSET): 20,
        ("asr", "speech.vad", UNSET): 20,
        ("asr", "speech.asr.features", UNSET): 20,
        # As the worker starts, in a trace of its own.
        ("asr", "speech.model.load tiny.en", UNSET): 1,
        ("asr", "publish speech:translate", UNSET): 19,
        ("asr", "publish speech.dead:transcribe", UNSET): 1,
        ("asr", "publish speech:events", UNSET): 1,
        ("translation", "wait translate", UNSET): 22,
        ("translation", "process speech:translate", UNSET): 18,
        ("translation", "process speech:translate", ERROR): 4,
        ("translation", "speech.cache.lookup", UNSET): 22,
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


def test_calls_equal_the_known_truth(
    pipeline: Stack, polls: StatusPolls, uploads: list[Upload], traces: dict[str, Trace]
) -> None:
    """The Collector counts every span there is exactly once, by service, name and status."""
    query = "sum by (service_name, span_name, status_code) (traces_span_metrics_calls_total)"

    def read() -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]]:
        calls = counted(pipeline, query, "service_name", "span_name", "status_code")
        # Anew: spans that are no span's parent may come after the trace was found whole.
        heard = Counter(
            (span.service, span.name, ERROR if span.error else UNSET)
            for upload in uploads
            for span in jaeger_trace(pipeline, upload.trace_id).spans
            if span.name in HEARD
        )
        asked = Counter({("gateway", "GET /v1/uploads/{upload_id}", UNSET): polls.count})
        return calls, CALLS + heard + asked

    calls, truth = until(read, lambda both: both[0] == both[1])
    assert calls == truth
    # Once more with a span that is younger than this reading: had a count only been passing
    # through the truth on its way up, it would be beyond by the time that this one is counted.
    polls.ask(uploads[0].id)
    calls, truth = until(read, lambda both: both[0] == both[1])
    assert calls == truth


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


def test_every_target_is_up(pipeline: Stack) -> None:
    """Prometheus reaches all that it is told to scrape, Collector and broker included."""
    up = Counter({(job,): 1 for job in SCRAPE_JOBS})
    assert until(lambda: counted(pipeline, "min by (job) (up)", "job"), lambda jobs: jobs == up) == up


def test_the_depth_of_each_queue_is_known(pipeline: Stack) -> None:
    """The broker's own plugin says of each queue how many messages are ready."""
    query = "rabbitmq_detailed_queue_messages_ready"
    queues = {(name,) for name in WORK_QUEUES}
    assert until(lambda: counted(pipeline, query, "queue").keys() >= queues, bool)
