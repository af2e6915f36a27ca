"""The console as operators run it: a process that the SDK's own exporters send to."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from integration.console.conftest import SECONDS, ConsoleProcess, until
from unit.services.console.samples import span, traces

PROTOBUF = {"Content-Type": "application/x-protobuf"}
TOKEN = "secret-of-this-test"  # noqa: S105 - of this test alone
RESOURCE = Resource({"service.name": "asr"})


def provider(console: ConsoleProcess, **headers: str) -> TracerProvider:
    """Return a provider that exports to the console as any service does."""
    made = TracerProvider(resource=RESOURCE)
    exporter = OTLPSpanExporter(
        f"{console.url}/v1/traces", compression=Compression.Gzip, headers=headers, timeout=SECONDS
    )
    made.add_span_processor(BatchSpanProcessor(exporter))
    return made


def post(console: ConsoleProcess, first: int, count: int, *, padding: str = "") -> httpx.Response:
    """Send `count` spans from number `first` on in one request."""
    made = traces([span(number=first + index, attributes={"padding": padding}) for index in range(count)])
    return httpx.post(
        f"{console.url}/v1/traces", content=made.SerializeToString(), headers=PROTOBUF, timeout=SECONDS
    )


def test_all_three_signals_arrive_from_the_sdk(console: ConsoleProcess) -> None:
    """Traces, metrics and logs of the SDK's exporters can be read back within about a second."""
    tracers = provider(console)
    meters = MeterProvider(
        [PeriodicExportingMetricReader(OTLPMetricExporter(f"{console.url}/v1/metrics", timeout=SECONDS))],
        RESOURCE,
    )
    loggers = LoggerProvider(RESOURCE)
    loggers.add_log_record_processor(
        SimpleLogRecordProcessor(OTLPLogExporter(f"{console.url}/v1/logs", timeout=SECONDS))
    )
    with tracers.get_tracer("tests").start_as_current_span("process speech:transcribe") as current:
        trace_id = format(current.get_span_context().trace_id, "032x")
        current.set_attribute("messaging.message.conversation_id", "upload-1")
        meters.get_meter("tests").create_counter("jobs").add(1, {"outcome": "completed"})
        loggers.get_logger("tests").emit(body="done", severity_text="INFO")
    for part in (tracers, meters, loggers):
        part.shutdown()

    until(lambda: console.get("/api/signals")["services"] != [])
    until(
        lambda: (
            console.get("/api/signals")
            == {"services": [{"service": "asr", "spans": 1, "metric_points": 1, "log_records": 1}]}
        )
    )
    [group] = console.get(f"/api/v3/traces/{trace_id}")["result"]["resourceSpans"]
    assert [span["name"] for span in group["scopeSpans"][0]["spans"]] == ["process speech:transcribe"]
    wanted = json.dumps({"messaging.message.conversation_id": "upload-1"})
    found = httpx.get(f"{console.url}/api/v3/traces", params={"query.attributes": wanted}).json()
    assert found["result"]["resourceSpans"] == [group]
    [records] = console.get(f"/api/logs?trace_id={trace_id}")["result"]["resourceLogs"]
    assert records["scopeLogs"][0]["logRecords"][0]["body"] == {"stringValue": "done"}
    [row] = console.get("/api/red?window=600")["rows"]
    assert (row["service"], row["operation"], row["calls"]) == ("asr", "process speech:transcribe", 1)


def test_the_console_does_not_watch_itself(console: ConsoleProcess) -> None:
    """Whatever the console is asked, it makes no span, metric or log record of its own."""
    for _ in range(5):
        console.get("/api/v3/services")
        console.get("/health")
    assert post(console, 1, 1).status_code == 200
    until(lambda: console.spans() == 1)
    assert console.get("/api/signals")["services"] == [
        {"service": "gateway", "spans": 1, "metric_points": 0, "log_records": 0}
    ]


def test_sigterm_loses_nothing(console: ConsoleProcess) -> None:
    """Whatever was answered 200, up to the moment of SIGTERM, is there after a restart; the exit is clean."""
    accepted = 0
    stopping = threading.Event()

    def send() -> None:
        nonlocal accepted
        while not stopping.is_set():
            try:
                answer = post(console, accepted + 1, 20)
            except httpx.TransportError:
                return
            if answer.status_code != 200:
                return
            accepted += 20

    sender = threading.Thread(target=send)
    sender.start()
    until(lambda: accepted >= 200)
    assert console.stop(signal.SIGTERM) == 0
    stopping.set()
    sender.join()
    console.start()
    assert console.spans() == accepted


def test_sigkill_loses_at_most_the_unflushed_batch(console: ConsoleProcess) -> None:
    """After SIGKILL, time and again, the file opens and holds what was readable, and requests only whole."""
    readable = 0
    for attempt in range(3):
        assert post(console, 1 + 1000 * attempt, 500).status_code == 200
        until(lambda: console.spans() > readable)  # noqa: B023 - called before the loop goes on
        readable = console.spans()
        assert post(console, 501 + 1000 * attempt, 500).status_code == 200
        assert console.stop(signal.SIGKILL) == -signal.SIGKILL
        console.start()
        assert console.spans() in {readable, readable + 500}
        readable = console.spans()
    # Sent again, as by a sender that got no answer, everything is there and nothing counts twice.
    assert post(console, 1, 3000).status_code == 200
    until(lambda: console.spans() == 3000)
    assert console.stop() == 0


@pytest.mark.parametrize(("setting", "value"), [("HOURS", "1e-9"), ("BYTES", "1")])
def test_what_is_not_to_be_kept_goes_at_the_start(console: ConsoleProcess, setting: str, value: str) -> None:
    """A console that is started again under a tighter bound of age or size applies it at once."""
    assert post(console, 1, 500).status_code == 200
    until(lambda: console.spans() == 500)
    assert console.stop() == 0
    console.environment[f"VOXTRACE_CONSOLE_RETENTION_{setting}"] = value
    console.start()
    until(lambda: console.spans() == 0, seconds=20)
    assert console.stop() == 0


def test_a_second_console_on_the_same_file_says_what_to_do(console: ConsoleProcess) -> None:
    """The second process ends at once with one line that names the first process and both ways out."""
    second = ConsoleProcess(console.database).run()
    _, log = second.communicate(timeout=SECONDS)
    assert second.returncode == 1
    [line] = log.splitlines()
    message = json.loads(line)["event"]
    assert f"process {console.pid}" in message
    assert "VOXTRACE_CONSOLE_DATABASE" in message
    assert console.get("/health")["status"] == "ok"


def test_a_taken_port_says_what_to_do(console: ConsoleProcess) -> None:
    """A console whose port is taken ends at once with one line that names the setting."""
    port = console.url.rpartition(":")[2]
    second = ConsoleProcess(console.database.with_name("other.duckdb"), {"VOXTRACE_CONSOLE_PORT": port}).run()
    _, log = second.communicate(timeout=SECONDS)
    assert second.returncode == 1
    [line] = log.splitlines()
    assert "VOXTRACE_CONSOLE_PORT" in json.loads(line)["event"]


def test_an_open_address_needs_a_token(console: ConsoleProcess) -> None:
    """Without a token the console does not listen beyond this machine, and says how it would."""
    open_host = {"VOXTRACE_CONSOLE_HOST": str(socket.inet_ntoa(bytes(4)))}
    second = ConsoleProcess(console.database.with_name("other.duckdb"), open_host).run()
    _, log = second.communicate(timeout=SECONDS)
    assert second.returncode == 1
    assert "VOXTRACE_CONSOLE_TOKEN" in json.loads(log)["event"]


def test_the_sdk_sends_with_the_token(start_console: Callable[..., ConsoleProcess]) -> None:
    """With a token set, an exporter that sends it gets through and one that does not is refused."""
    console = start_console(VOXTRACE_CONSOLE_TOKEN=TOKEN)
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{console.url}/api/signals").status_code == 401
    assert post(console, 1, 1).status_code == 401
    tracers = provider(console, **bearer)
    tracers.get_tracer("tests").start_span("x").end()
    tracers.shutdown()
    until(
        lambda: (
            [
                service["spans"]
                for service in httpx.get(f"{console.url}/api/signals", headers=bearer).json()["services"]
            ]
            == [1]
        )
    )


def test_the_command_shows_the_token(start_console: Callable[..., ConsoleProcess]) -> None:
    """With the token in its environment `voxtrace red` is answered; without it, it says what is missing."""
    console = start_console(VOXTRACE_CONSOLE_TOKEN=TOKEN)

    def red(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "voxtrace_services.cli", "red", "--json", "--console", console.url],
            capture_output=True,
            check=False,
            encoding="utf-8",
            env={**os.environ, "VOXTRACE_DATA_DIR": str(console.database.parent), **environment},
            timeout=SECONDS,
        )

    without, given = red(VOXTRACE_CONSOLE_TOKEN=""), red(VOXTRACE_CONSOLE_TOKEN=TOKEN)

    assert (without.returncode, given.returncode) == (4, 0), given.stderr
    assert "set VOXTRACE_CONSOLE_TOKEN" in without.stderr
    assert json.loads(given.stdout)["rows"] == []
