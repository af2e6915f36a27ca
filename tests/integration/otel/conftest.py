"""A Collector's place, taken by a sink in the test, and programs to run against it."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_REQUESTS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Sink:
    """Takes OTLP over HTTP and keeps it."""

    def __init__(self) -> None:
        self._received: dict[str, list[Any]] = defaultdict(list)
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                request = _REQUESTS[self.path]()
                request.ParseFromString(body)
                sink._received[self.path].append(request)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's own name
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def spans(self) -> list[Any]:
        """Every span received so far."""
        return [
            span
            for request in list(self._received["/v1/traces"])
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def logs(self) -> list[Any]:
        """Every log record received so far."""
        return [
            record
            for request in list(self._received["/v1/logs"])
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    @property
    def metrics(self) -> set[str]:
        """The names of all metrics received so far."""
        return {
            metric.name
            for request in list(self._received["/v1/metrics"])
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    @property
    def resource(self) -> dict[str, str]:
        """What describes the process that sent the first spans."""
        resource = self._received["/v1/traces"][0].resource_spans[0].resource
        return {attribute.key: attribute.value.string_value for attribute in resource.attributes}


class Program:
    """A running program, its output included."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def line(self) -> str:
        """Return the next line of its output; the program says when it is ready."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def send(self, text: str) -> None:
        """Type something at it."""
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, *, within: float = 60) -> tuple[int, float]:
        """Wait for its end; return the exit status (negative: its signal) and the seconds waited."""
        started = time.monotonic()
        status = self._process.wait(within)
        return status, time.monotonic() - started


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A Collector that takes everything."""
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def closed_port() -> str:
    """The address of a Collector that is not there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def silent_port() -> Iterator[str]:
    """The address of a Collector that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start Python programs given as text; what still runs at the end is killed by its id."""
    processes: list[subprocess.Popen[str]] = []

    def start(code: str, endpoint: str, *, under: tuple[str, ...] = (), **settings: str) -> Program:
        script = tmp_path / f"program{len(processes)}.py"
        script.write_text(code)
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "VOXTRACE_"))
        }
        process = subprocess.Popen(
            [*under, sys.executable, "-u", str(script)],
            env={
                **clean,
                "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",  # noqa: PTH120  # a venv's bin, not resolved
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                # Long enough that nothing is delivered by chance.
                "OTEL_BSP_SCHEDULE_DELAY": "60000",
                "OTEL_BLRP_SCHEDULE_DELAY": "60000",
                **settings,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return Program(process)

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def eventually(condition: Callable[[], object], *, within: float = 15) -> None:
    """Poll until the condition holds; fail at the deadline."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "It did not come about in time."
        time.sleep(0.02)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., None]:
    return eventually
