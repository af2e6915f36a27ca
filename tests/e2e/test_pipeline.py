"""Twenty uploads, three of them in trouble: the traces and logs they must leave."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from e2e.backend import Backend
from e2e.evidence import KINDS, SERVICES, STRANGER, Upload, jaeger_trace, logs, prometheus, until
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native.stack import Stack

#: Service x signal: each must have arrived where its readers look.
SIGNAL_MATRIX = [(service, signal) for service in SERVICES for signal in ("traces", "metrics", "logs")]

#: What each service says of an upload that completes, in the thread that does the work.
SAID = {"gateway": "job ended", "asr": "done", "translation": "done", "synthesis": "done"}

#: Publisher, queue, consumer; the outcome of a failed upload goes straight back.
HOPS = [
    ("gateway", "transcribe", "asr"),
    ("asr", "translate", "translation"),
    ("translation", "synthesize", "synthesis"),
    ("synthesis", "events", "gateway"),
    ("asr", "events", "gateway"),
    ("translation", "events", "gateway"),
]

#: Parent's service and span -> child's: every edge between two services is a queue.
EDGES = {
    (publisher, f"publish speech:{queue}", consumer, name)
    for publisher, queue, consumer in HOPS
    for name in (f"wait {queue}", f"process speech:{queue}")
}


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
def test_signal_matrix(
    pipeline: Stack, uploads: list[Upload], traces: dict[str, Trace], service: str, signal: str
) -> None:
    """Each service is seen in each signal: in the trace and the logs of every upload that completed."""
    completed = [upload for upload in uploads if upload.state == "completed"]
    assert completed

    def seen() -> bool:
        if signal == "traces":
            return all(service in {span.service for span in traces[upload.id].spans} for upload in completed)
        if signal == "metrics":
            return bool(prometheus(pipeline, f'messaging_client_sent_messages_total{{job="{service}"}}'))
        return all((service, SAID[service]) in logs(pipeline, upload.trace_id) for upload in completed)

    assert until(seen, bool)


def test_edge_list(traces: dict[str, Trace]) -> None:
    """Two services are joined where one publishes and the other waits and processes, and nowhere else."""
    edges = set()
    for trace in traces.values():
        known = {span.span_id: span for span in trace.spans}
        edges |= {
            (parent.service, parent.name, span.service, span.name)
            for span in trace.spans
            if (parent := known.get(span.parent_id or "")) is not None
        }
    assert {edge for edge in edges if edge[0] != edge[2]} == EDGES
    assert {edge[0] for edge in edges if edge[0] == edge[2]} == set(SERVICES)


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
