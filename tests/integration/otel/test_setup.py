"""Tests of set-up: under `opentelemetry-instrument`, by `configure`, by a file, for Prometheus."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Program, Sink

SERVER, INTERNAL = 2, 1

# A program that serves, sends itself one request as a stranger would, and ends.
REQUEST = """
import json, logging, socket, threading, urllib.request
import uvicorn

@app.get("/items/{number}")
def item(number: int):
    logging.getLogger("shop").warning("an item was asked for")
    return number

@app.get("/health")
def health():
    return "ok"

def ask(path):
    outside = {"traceparent": "00-deadbeefdeadbeefdeadbeefdeadbeef-00f067aa0ba902b7-00"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=outside)
    return urllib.request.urlopen(request).read()

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
thread.start()
print(ask("/items/7"), ask("/health"))
server.should_exit = True
thread.join()
"""
MAKE_APP = "from fastapi import FastAPI\napp = FastAPI()\n"
CONFIGURE = "import voxtrace\ntelemetry = voxtrace.configure('shop')\n"


def _request(sink: Sink) -> Any:
    """The one span of the one request that is traced."""
    (span,) = [span for span in sink.spans if span.kind == SERVER]
    return span


@pytest.mark.parametrize(
    ("code", "under"),
    [
        (MAKE_APP, ("opentelemetry-instrument",)),
        (CONFIGURE + MAKE_APP, ()),
        ("from fastapi import FastAPI\n" + CONFIGURE + "app = FastAPI()\n", ()),
        (MAKE_APP + CONFIGURE, ()),
        (CONFIGURE + MAKE_APP, ("opentelemetry-instrument",)),
    ],
    ids=["instrument", "configure first", "imported before", "made before", "both"],
)
def test_every_way_to_set_up_gives_the_same_telemetry(
    start: Callable[..., Program], sink: Sink, code: str, under: tuple[str, ...]
) -> None:
    """One SERVER span in a trace of its own, linked to the stranger's; no other span; one log line in it."""
    program = start(code + REQUEST, sink.url, under=under, OTEL_SERVICE_NAME="shop")
    assert program.end()[0] == 0
    span = _request(sink)
    assert [other.name for other in sink.spans] == ["GET /items/{number}"]
    assert span.parent_span_id == b""
    assert [link.trace_id.hex() for link in span.links] == ["deadbeef" * 4]
    (record,) = [record for record in sink.logs if record.body.string_value == "an item was asked for"]
    assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
    assert list(record.attributes) == []
    assert "http.server.request.duration" in sink.metrics
    assert any(name.startswith("otel.sdk.") for name in sink.metrics)
    assert sink.resource["service.name"] == "shop"
    assert sink.resource["telemetry.distro.name"] == "voxtrace"
    assert sink.resource["service.instance.id"]


@pytest.mark.parametrize(
    ("flag", "continued"),
    [("01", [("deadbeef" * 4, "00f067aa0ba902b7", 0)]), ("00", [])],
    ids=["sampled", "not sampled"],
)
def test_a_trusted_peer_is_continued(
    start: Callable[..., Program], sink: Sink, flag: str, continued: list[tuple[str, str, int]]
) -> None:
    """VOXTRACE_TRUSTED_SENDERS is read under opentelemetry-instrument too, and the peer's flag is obeyed."""
    program = start(
        MAKE_APP + REQUEST.replace("b7-00", f"b7-{flag}"),
        sink.url,
        under=("opentelemetry-instrument",),
        VOXTRACE_TRUSTED_SENDERS="127.0.0.0/8",
    )
    assert program.end()[0] == 0
    assert [
        (span.trace_id.hex(), span.parent_span_id.hex(), len(span.links)) for span in sink.spans
    ] == continued
    # No span, and yet telemetry is alive.
    assert "http.server.request.duration" in sink.metrics


@pytest.mark.parametrize(
    ("code", "under"),
    [(CONFIGURE, ()), ("", ("opentelemetry-instrument",))],
    ids=["configure", "instrument"],
)
def test_what_is_too_long_is_cut(
    start: Callable[..., Program], sink: Sink, code: str, under: tuple[str, ...]
) -> None:
    """Of an attribute of 10,000 characters, on a span or a log record, 4,096 are sent."""
    code += (
        "import logging\n"
        "from opentelemetry import trace\n"
        "long = 'x' * 10_000\n"
        "with trace.get_tracer('shop').start_as_current_span('sale', attributes={'given': long}) as span:\n"
        "    span.set_attribute('set', long)\n"
        "    span.add_event('paid', {'noted': long})\n"
        "    logging.getLogger('shop').warning('sold', extra={'logged': long})\n"
    )
    program = start(code, sink.url, under=under)
    assert program.end()[0] == 0
    (span,) = sink.spans
    (event,) = span.events
    (record,) = [record for record in sink.logs if record.body.string_value == "sold"]
    lengths = {
        attribute.key: len(attribute.value.string_value)
        for attribute in (*span.attributes, *event.attributes, *record.attributes)
    }
    assert lengths == dict.fromkeys(["given", "set", "noted", "logged"], 4096)


def test_configure_names_the_service_and_the_environment_renames_it(
    start: Callable[..., Program], sink: Sink
) -> None:
    """The code's name is the default; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    code = (
        "import voxtrace\n"
        "voxtrace.configure('from-code', resource_attributes={'team': 'code', 'region': 'eu'})\n"
        "from opentelemetry import trace\n"
        "print(sorted(trace.get_tracer_provider().resource.attributes.items()))\n"
    )
    given = start(code, sink.url).line()
    assert "('service.name', 'from-code')" in given
    assert "('team', 'code')" in given
    renamed = start(code, sink.url, OTEL_SERVICE_NAME="renamed", OTEL_RESOURCE_ATTRIBUTES="team=ops").line()
    assert "('service.name', 'renamed')" in renamed
    assert "('team', 'ops')" in renamed
    assert "('region', 'eu')" in renamed


def test_configure_is_idempotent(start: Callable[..., Program], sink: Sink) -> None:
    """A second call returns the same telemetry and changes nothing."""
    code = CONFIGURE + (
        "from opentelemetry import trace\n"
        "provider = trace.get_tracer_provider()\n"
        "assert voxtrace.configure('other') is telemetry\n"
        "assert trace.get_tracer_provider() is provider\n"
        "print(provider.resource.attributes['service.name'])\n"
    )
    program = start(code, sink.url)
    assert program.line() == "shop"
    assert program.end()[0] == 0


def test_providers_of_the_applications_own_are_kept(start: Callable[..., Program], sink: Sink) -> None:
    """Where the application has set a tracer provider, ours stays away and instruments what is there."""
    code = (
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import BatchSpanProcessor\n"
        "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
        "own = TracerProvider()\n"
        "own.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))\n"
        "trace.set_tracer_provider(own)\n"
    )
    program = start(code + CONFIGURE + MAKE_APP + REQUEST, sink.url)
    assert program.end()[0] == 0
    assert _request(sink).name == "GET /items/{number}"
    assert "telemetry.distro.name" not in sink.resource


def test_the_sdk_can_be_switched_off(start: Callable[..., Program], sink: Sink) -> None:
    """OTEL_SDK_DISABLED=true keeps its meaning: the program runs, nothing is sent."""
    program = start(CONFIGURE + MAKE_APP + REQUEST, sink.url, OTEL_SDK_DISABLED="true")
    assert program.end()[0] == 0
    assert (sink.spans, sink.logs, sink.metrics) == ([], [], set())


def test_without_the_sdk_configure_says_what_to_install(start: Callable[..., Program], sink: Sink) -> None:
    """With the API alone, configure logs which extra to install, and the program runs."""
    code = (
        "import sys, logging\n"
        "logging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
        "sys.modules['opentelemetry.sdk'] = None\n"
        "import voxtrace\n"
        "assert voxtrace.configure('shop').shutdown()\n"
    )
    program = start(code, sink.url)
    assert "Install voxtrace with its extra `distro`" in program.line()
    assert program.end()[0] == 0


def test_the_log_format_of_the_application_stays(start: Callable[..., Program], sink: Sink) -> None:
    """Set-up installs no format and no level; basicConfig still works after it, with trace ids to use."""
    code = CONFIGURE + (
        "import logging, sys\n"
        "logging.basicConfig(stream=sys.stdout, format='%(message)s %(otelTraceID)s', level='INFO')\n"
        "logging.getLogger().info('mine')\n"
    )
    program = start(code, sink.url)
    assert program.line() == "mine 0"
    program.end()
    assert "mine" in [record.body.string_value for record in sink.logs]


@pytest.mark.parametrize("exporters", ["prometheus", "otlp,prometheus"])
def test_prometheus_can_read_the_metrics(start: Callable[..., Program], sink: Sink, exporters: str) -> None:
    """/metrics answers on loopback, alone or beside OTLP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = CONFIGURE + (
        "from opentelemetry import metrics\n"
        "metrics.get_meter('shop').create_counter('jobs').add(3, {'kind': 'asr'})\n"
        "print('ready'); input()\n"
    )
    program = start(code, sink.url, OTEL_METRICS_EXPORTER=exporters, OTEL_EXPORTER_PROMETHEUS_PORT=str(port))
    assert program.line() == "ready"
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'jobs_total{kind="asr"' in text
    assert 'service_name="shop"' in text
    program.send("\n")
    assert program.end()[0] == 0
    assert ("jobs" in sink.metrics) is ("otlp" in exporters)


def test_a_configuration_file_decides(start: Callable[..., Program], sink: Sink, tmp_path: Path) -> None:
    """With OTEL_CONFIG_FILE the file says what is exported, and the end still delivers and is bounded."""
    file = tmp_path / "otel.yaml"
    file.write_text(
        f"""
file_format: "1.0"
resource: {{attributes: [{{name: service.name, value: from-file}}]}}
tracer_provider:
  processors:
    - batch: {{schedule_delay: 60000, exporter: {{otlp_http: {{endpoint: "{sink.url}/v1/traces"}}}}}}
"""
    )
    program = start(
        MAKE_APP + REQUEST, sink.url, under=("opentelemetry-instrument",), OTEL_CONFIG_FILE=str(file)
    )
    assert program.end()[0] == 0
    assert _request(sink).name == "GET /items/{number}"
    assert sink.resource["service.name"] == "from-file"


WAYS = pytest.mark.parametrize(
    ("code", "under"),
    [(CONFIGURE + MAKE_APP, ()), (MAKE_APP, ("opentelemetry-instrument",))],
    ids=["configure", "instrument"],
)


def _assert_the_edge_held(sink: Sink) -> None:
    span = _request(sink)
    assert span.parent_span_id == b""
    assert [link.trace_id.hex() for link in span.links] == ["deadbeef" * 4]


@WAYS
@pytest.mark.parametrize("exporters", ["prometheus", "otlp,prometheus"])
def test_a_taken_port_costs_prometheus_alone(  # noqa: PLR0917  # one more than five, all pytest's
    start: Callable[..., Program],
    sink: Sink,
    capfd: pytest.CaptureFixture[str],
    code: str,
    under: tuple[str, ...],
    exporters: str,
) -> None:
    """Without /metrics the rest goes out, strangers stay strangers, and one line says what to do."""
    look = "import prometheus_client; prometheus_client.generate_latest()\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = start(
            code + REQUEST + look,
            sink.url,
            under=under,
            OTEL_METRICS_EXPORTER=exporters,
            OTEL_EXPORTER_PROMETHEUS_PORT=str(taken.getsockname()[1]),
        )
        assert program.end()[0] == 0
    _assert_the_edge_held(sink)
    # Nothing else was logged, and so the reader that failed is out of Prometheus' registry again.
    assert [record.body.string_value for record in sink.logs] == ["an item was asked for"]
    assert ("http.server.request.duration" in sink.metrics) is ("otlp" in exporters)
    errors = capfd.readouterr().err
    assert errors.count("Set OTEL_EXPORTER_PROMETHEUS_PORT to a free port") == 1
    assert "Traceback" not in errors


@WAYS
@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_an_exporter_that_does_not_exist_costs_its_signal_alone(  # noqa: PLR0917  # as above
    start: Callable[..., Program],
    sink: Sink,
    capfd: pytest.CaptureFixture[str],
    code: str,
    under: tuple[str, ...],
    signal: str,
) -> None:
    """A misspelt exporter is named in an error; the program runs and the other signals go out."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    program = start(code + REQUEST, sink.url, under=under, **{variable: "pigeon"})
    assert program.end()[0] == 0
    sent = {"traces": sink.spans, "metrics": sink.metrics, "logs": sink.logs}
    assert [name for name, what in sent.items() if not what] == [signal]
    assert f"Check {variable}" in capfd.readouterr().err


@WAYS
def test_a_set_up_that_fails_keeps_the_edge(
    start: Callable[..., Program],
    sink: Sink,
    capfd: pytest.CaptureFixture[str],
    code: str,
    under: tuple[str, ...],
) -> None:
    """With a configuration file that is not there the instrumentations are loaded, and the program runs."""
    loaded = (
        "from voxtrace.edge import FastAPIInstrumentor\n"
        "print(FastAPIInstrumentor().is_instrumented_by_opentelemetry)\n"
    )
    program = start(code + loaded + REQUEST, sink.url, under=under, OTEL_CONFIG_FILE="/nowhere/otel.yaml")
    assert program.line() == "True"
    assert program.end()[0] == 0
    assert "Telemetry is not complete" in capfd.readouterr().err


def test_no_propagators_harm_no_request(start: Callable[..., Program], sink: Sink) -> None:
    """OTEL_PROPAGATORS=none traces requests, and every one is answered."""
    program = start(CONFIGURE + MAKE_APP + REQUEST, sink.url, OTEL_PROPAGATORS="none")
    assert program.end()[0] == 0
    assert _request(sink).links == []
