"""Four hundred uploads at five percent: whatever went wrong is there whole, and RED counts everything."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e.evidence import counted, until
from e2e.sampling.truth import Sent, Truth
from voxtrace_services.native.ports import LOOPBACK, Ports
from voxtrace_services.native.stack import Stack

#: A minute and a half where nothing else runs.
pytestmark = pytest.mark.timeout(600)

HERE = Path(__file__).parent
PERCENT = 5
#: Voice -> how many uploads ask for it, in this order. What a voice does: see espeak-ng beside this file.
VOICES = {
    "en": 360,
    "en+once": 20,  # a retry
    "en+never": 8,  # dead-lettered after its attempts
    "nobody": 8,  # dead-lettered at once
    "en+slow": 4,  # a slow stage
}
UPLOADS = sum(VOICES.values())
SLOW_SECONDS = 4.0
SLOW_TRACE_SECONDS = 12.0
#: Longer than any of these jobs takes.
DECISION_SECONDS = 20
#: Jobs on their way at a time: few, so that none is slow for the sake of the others.
AT_ONCE = 12
#: Odds against which a sound sampler may fail the test.
UNLIKELY = 1e-7


@pytest.fixture(name="ports", scope="module")
def _ports() -> Ports:
    """Where the pipeline listens."""
    return Ports.free()


@pytest.fixture(name="truth", scope="module")
def _truth(ports: Ports) -> Iterator[Truth]:
    """What the services sent."""
    with Truth.before(f"http://{LOOPBACK}:{ports.collector_http}") as truth:
        yield truth


@pytest.fixture(name="sampled", scope="module")
def _sampled(ports: Ports, truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The full stack with sampling, engines that take no time, and a voice for each way to fail."""
    real = shutil.which("espeak-ng")
    assert real is not None
    engines, state = tmp_path_factory.mktemp("engines"), tmp_path_factory.mktemp("state")
    shutil.copy(HERE / "espeak-ng", engines / "espeak-ng")
    service = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": truth.endpoint,
        "VOXTRACE_ASR_ENGINE": "null",
        "VOXTRACE_TRANSLATION_ENGINE": "null",
        "VOXTRACE_RETRY_DELAYS": "0.5",
    }
    synthesis = {
        "PATH": f"{engines}:/usr/local/bin:/usr/bin:/bin",
        "SAMPLING_ESPEAK": real,
        "SAMPLING_STATE": str(state),
        "SAMPLING_SLOW_SECONDS": str(SLOW_SECONDS + 0.5),
    }
    collector = {
        "VOXTRACE_SAMPLING_PERCENT": str(PERCENT),
        "VOXTRACE_SAMPLING_DECISION_WAIT": f"{DECISION_SECONDS}s",
        "VOXTRACE_SAMPLING_SLOW_SPAN_MS": f"{SLOW_SECONDS * 1000:.0f}",
        "VOXTRACE_SAMPLING_SLOW_TRACE_MS": f"{SLOW_TRACE_SECONDS * 1000:.0f}",
    }
    environment = {
        "collector": collector,
        "gateway": service,
        "asr": service,
        "translation": service,
        "synthesis": service | synthesis,
    }
    folder = tmp_path_factory.mktemp("sampled")
    with Stack(folder, ports=ports, full=True, env=environment) as stack:
        yield stack


@pytest.fixture(name="uploads", scope="module")
def _uploads(sampled: Stack, truth: Truth, recordings: Path) -> dict[str, str]:
    """Every upload's trace id and the voice it asked for, once all jobs ended and their spans were sent."""
    audio = (recordings / "clone-test.wav").read_bytes()
    uploads: dict[str, str] = {}
    with httpx.Client(base_url=sampled.gateway_url, timeout=60, trust_env=False) as client:
        for voice, count in VOICES.items():
            for number in range(count):
                name = f"{voice}{number}" if "+" in voice else voice
                ended = until(truth.ended, lambda ended: len(uploads) - ended < AT_ONCE, seconds=120)
                assert len(uploads) - ended < AT_ONCE
                answer = client.post(
                    "/v1/uploads", data={"voice": name}, files={"audio": ("clip.wav", audio, "audio/wav")}
                )
                assert answer.status_code == 202, answer.text
                uploads[answer.json()["trace_id"]] = voice
    assert len(uploads) == UPLOADS
    assert until(truth.ended, lambda ended: ended == UPLOADS, seconds=120) == UPLOADS
    return uploads


@pytest.fixture(name="kept", scope="module")
def _kept(sampled: Stack, truth: Truth, uploads: dict[str, str]) -> dict[str, set[str]]:
    """The ids of the spans that Jaeger has of each upload, once every decision has been made."""
    with httpx.Client(base_url=str(sampled.jaeger_url), timeout=30, trust_env=False) as client:

        def read() -> dict[str, set[str]]:
            return {trace_id: _in_jaeger(client, trace_id) for trace_id in uploads}

        def settled(kept: dict[str, set[str]]) -> bool:
            return all(
                kept[trace_id] == set(trace) or not (kept[trace_id] or reasons(trace))
                for trace_id, trace in ((trace_id, truth.trace(trace_id)) for trace_id in uploads)
            )

        return until(read, settled, seconds=DECISION_SECONDS + 30)


def _in_jaeger(client: httpx.Client, trace_id: str) -> set[str]:
    answer = client.get(f"/api/v3/traces/{trace_id}")
    if answer.status_code == 404:
        return set()
    answer.raise_for_status()
    return {
        span["spanId"]
        for resource in answer.json()["result"]["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }


def reasons(trace: dict[str, Sent]) -> set[str]:
    """Why somebody will look for a trace."""
    found = set()
    begin = min(sent.wire.start_time_unix_nano for sent in trace.values())
    end = max(sent.wire.end_time_unix_nano for sent in trace.values())
    if (end - begin) / 1e9 > SLOW_TRACE_SECONDS:
        found.add("slow")
    for sent in trace.values():
        attributes = sent.attributes
        destination = str(attributes.get("messaging.destination.name", ""))
        if sent.wire.status.code == sent.wire.status.STATUS_CODE_ERROR:
            found.add("error")
        if sent.seconds > SLOW_SECONDS:
            found.add("slow")
        if destination.startswith("speech.dead"):
            found.add("dead letter")
        if destination.startswith("speech.retry"):
            found.add("retry")
    return found


def bounds(count: int, share: float) -> tuple[int, int]:
    """Between which numbers nearly every draw of so many lies."""
    logs = [
        math.lgamma(count + 1)
        - math.lgamma(hits + 1)
        - math.lgamma(count - hits + 1)
        + hits * math.log(share)
        + (count - hits) * math.log1p(-share)
        for hits in range(count + 1)
    ]
    likely = [hits for hits, log in enumerate(logs) if log > math.log(UNLIKELY)]
    return likely[0], likely[-1]


def test_each_fault_is_seen(truth: Truth, uploads: dict[str, str]) -> None:
    """Every upload that was to fail, to be retried or to be slow was so by what the services sent."""
    seen: dict[str, Counter[str]] = {voice: Counter() for voice in VOICES}
    for trace_id, voice in uploads.items():
        seen[voice].update(reasons(truth.trace(trace_id)))
    for voice, expected in {
        "en+once": {"error", "retry"},
        "en+never": {"error", "retry", "dead letter"},
        "nobody": {"error", "dead letter"},
        "en+slow": {"slow"},
    }.items():
        assert {reason for reason, count in seen[voice].items() if count == VOICES[voice]} >= expected
    assert seen["en"].total() < VOICES["en"] // 10


def test_whatever_went_wrong_is_whole(
    truth: Truth, uploads: dict[str, str], kept: dict[str, set[str]]
) -> None:
    """Each trace with an error, a retry, a dead letter or a slow stage is in Jaeger, span by span."""
    wanted = {trace_id: set(truth.trace(trace_id)) for trace_id in uploads if reasons(truth.trace(trace_id))}

    assert len(wanted) >= UPLOADS - VOICES["en"]
    assert {trace_id: kept[trace_id] for trace_id in wanted} == wanted


def test_of_the_rest_a_share_is_kept(
    truth: Truth, uploads: dict[str, str], kept: dict[str, set[str]]
) -> None:
    """Of the uploads that nobody will look for, about five percent are in Jaeger, and each of them whole."""
    rest = {
        trace_id: set(truth.trace(trace_id)) for trace_id in uploads if not reasons(truth.trace(trace_id))
    }
    shown = {trace_id: kept[trace_id] for trace_id in rest if kept[trace_id]}
    fewest, most = bounds(len(rest), PERCENT / 100)

    assert 0 < fewest < most < len(rest) / 5
    assert fewest <= len(shown) <= most
    assert shown == {trace_id: rest[trace_id] for trace_id in shown}


def test_red_counts_everything(sampled: Stack, truth: Truth, kept: dict[str, set[str]]) -> None:
    """Calls and errors by service, span and status are exactly those that were sent, whatever was kept."""
    labels = ("service_name", "span_name", "span_kind", "status_code")
    query = f"sum by ({', '.join(labels)}) (traces_span_metrics_calls_total)"

    red = until(lambda: counted(sampled, query, *labels), lambda red: red == truth.calls())
    assert red == truth.calls()


def test_exemplars_lead_to_what_was_kept(sampled: Stack, kept: dict[str, set[str]]) -> None:
    """Every exemplar in Prometheus is of a trace that Jaeger has."""

    def read() -> set[str]:
        found = set()
        for metric in ("traces_sampled_duration_seconds_bucket", '{__name__=~".+_bucket"}'):
            answer = httpx.get(
                f"{sampled.prometheus_url}/api/v1/query_exemplars",
                params={"query": metric, "start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"},
                timeout=30,
            )
            found |= {
                exemplar["labels"]["trace_id"]
                for series in answer.json()["data"]
                for exemplar in series["exemplars"]
                if "trace_id" in exemplar["labels"]
            }
        return found

    exemplars = until(read, bool)
    assert exemplars
    with httpx.Client(base_url=str(sampled.jaeger_url), timeout=30, trust_env=False) as client:
        assert {trace_id for trace_id in exemplars if not _in_jaeger(client, trace_id)} == set()
