"""What a stop and a second start must not lose, and the commands that README promises; the last to run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from compose.composed import Composed
from e2e.evidence import Upload, counted, jaeger_trace, send, until
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native.ports import Ports

CALLS = "sum by (service_name) (traces_span_metrics_calls_total)"
PASSWORDS = ("rabbitmq", "postgresql", "grafana")


@dataclass(frozen=True, kw_only=True)
class Before:
    """What there was when everything stopped."""

    when: float
    calls: dict[tuple[str, ...], int]
    traces: dict[str, set[str]]
    left: dict[str, Any]
    secrets: dict[str, str]


def job(pipeline: Composed, upload_id: str) -> dict[str, Any]:
    """How an upload is, by the gateway."""
    answer = httpx.get(f"{pipeline.gateway_url}/v1/uploads/{upload_id}", timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module", name="before")
def _before(
    pipeline: Composed, uploads: list[Upload], traces: dict[str, Trace], clips: dict[str, Path]
) -> Before:
    """Stop with a message in a queue, remove every container, and start again on the same volumes."""
    calls = until(lambda: dict(counted(pipeline, CALLS, "service_name")), lambda found: len(found) == 4)
    when = time.time()
    pipeline.run("stop", "asr")
    left = send(pipeline.gateway_url, "short", clips["short"])
    waiting = until(
        lambda: counted(pipeline, 'rabbitmq_detailed_queue_messages_ready{queue="transcribe"}', "queue"),
        lambda found: found == {("transcribe",): 1},
    )
    assert waiting == {("transcribe",): 1}
    before = Before(
        when=when,
        calls=calls,
        traces={trace.trace_id: {span.span_id for span in trace.spans} for trace in traces.values()},
        left=left,
        secrets={server: pipeline.secret(f"{server}/password") for server in PASSWORDS},
    )
    pipeline.down(volumes=False)
    assert pipeline.run("ps", "--all", "--quiet") == ""
    pipeline.up()
    return before


def test_traces_are_kept(pipeline: Composed, before: Before) -> None:
    """Jaeger has every span of every upload still."""
    for trace_id, spans in before.traces.items():
        assert {span.span_id for span in jaeger_trace(pipeline, trace_id).spans} >= spans


def test_metrics_are_kept(pipeline: Composed, before: Before) -> None:
    """Prometheus says of the time before what it said then."""
    answer = httpx.get(
        f"{pipeline.prometheus_url}/api/v1/query", params={"query": CALLS, "time": before.when}, timeout=10
    ).json()
    assert {
        (row["metric"]["service_name"],): round(float(row["value"][1])) for row in answer["data"]["result"]
    } == before.calls


def test_jobs_are_kept(pipeline: Composed, before: Before, uploads: list[Upload]) -> None:
    """The gateway knows every upload and how it ended."""
    assert {upload.id: job(pipeline, upload.id)["state"] for upload in uploads} == {
        upload.id: upload.state for upload in uploads
    }


def test_messages_are_kept(pipeline: Composed, before: Before) -> None:
    """What waited in a queue is done, in the trace that began before the stop."""
    ended = until(
        lambda: job(pipeline, before.left["id"]),
        lambda found: found["state"] in {"completed", "failed"},
        seconds=120,
    )
    assert ended["state"] == "completed", ended
    trace = jaeger_trace(pipeline, before.left["trace_id"])
    assert {span.service for span in trace.spans} == {"gateway", "asr", "translation", "synthesis"}
    assert not trace.orphans


def test_secrets_are_kept(pipeline: Composed, before: Before) -> None:
    """A second start makes no new passwords."""
    assert {server: pipeline.secret(f"{server}/password") for server in PASSWORDS} == before.secrets


def test_one_command_uploads_and_tells_where_the_trace_is(
    pipeline: Composed, before: Before, address: re.Pattern[str]
) -> None:
    """`docker compose run --rm voxtrace` says what was heard, and prints the address of the trace."""
    said = pipeline.run("run", "--rm", "voxtrace")
    assert "Ever tried" in said
    found = address.search(said)
    assert found, said
    server, page, trace_id = found.groups()
    assert (server, page) == (pipeline.jaeger_url, "trace")
    assert httpx.get(f"{server}/{page}/{trace_id}", timeout=10).status_code == 200
    assert {span.service for span in jaeger_trace(pipeline, trace_id).spans} >= {"gateway", "synthesis"}


@pytest.fixture(scope="module", name="minimal")
def _minimal(built: None) -> Iterator[Composed]:
    """Profile `minimal`, alone."""
    project = Composed(name="voxtrace-e2e-minimal", ports=Ports.free(), profile="minimal")
    try:
        project.up()
        yield project
    finally:
        project.down(volumes=True)


def test_minimal_is_enough_to_see_a_trace(minimal: Composed, address: re.Pattern[str]) -> None:
    """Without the Collector and what it feeds, the console has the trace, and its address is told."""
    services = {
        "console-minimal",
        "gateway",
        "asr",
        "translation",
        "synthesis",
        "rabbitmq",
        "postgresql",
        "valkey",
    }
    assert minimal.containers().keys() == services
    found = address.search(minimal.run("run", "--rm", "voxtrace"))
    assert found
    server, page, trace_id = found.groups()
    assert server == minimal.console_url

    def read() -> set[str]:
        answer = httpx.get(f"{server}/{page}/{trace_id}", timeout=10)
        document = answer.json()["result"] if answer.status_code == 200 else {}
        return {span.service for span in Trace.from_otlp(document, trace_id).spans}

    everybody = {"gateway", "asr", "translation", "synthesis"}
    assert until(read, lambda seen: seen == everybody) == everybody
