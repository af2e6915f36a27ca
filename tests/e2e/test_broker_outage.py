"""An upload while the broker is away: taken at once, done when it is back, in one trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e.evidence import send, until, whole
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native.ports import Ports
from voxtrace_services.native.stack import Stack


@pytest.fixture(name="stack")
def _stack(tmp_path: Path) -> Iterator[Stack]:
    """The pipeline with its console."""
    with Stack(tmp_path, ports=Ports.free()) as stack:
        yield stack


def test_an_upload_survives_a_broker_outage(stack: Stack, recordings: Path) -> None:
    """202 without a broker; the job completes when it is back, and its trace is whole."""
    stack.rabbitmq.server.stop()
    upload = send(stack.gateway_url, "short", recordings / "clone-test.wav")
    url = f"{stack.gateway_url}/v1/uploads/{upload['id']}"
    assert httpx.get(url, timeout=10).json()["state"] == "queued"

    stack.rabbitmq.server.start()
    last = until(
        lambda: httpx.get(url, timeout=10).json(), lambda job: job["state"] == "completed", seconds=90
    )
    assert last["state"] == "completed"

    def read() -> Trace:
        answer = httpx.get(f"{stack.console_url}/api/v3/traces/{upload['trace_id']}", timeout=10)
        return Trace.from_otlp(answer.json().get("result", {}), upload["trace_id"])

    trace = until(read, whole)
    assert [row.span.name for row in trace.rows if row.depth == 0] == ["POST /v1/uploads"]
    assert {"wait transcribe", "wait translate", "wait synthesize", "wait events"} <= {
        span.name for span in trace.spans
    }
