"""Content and secrets do not get through the Collector, in any signal; names come out by the conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from integration.collector.otlp import Backend, attributes, export, plain, send, span, traces
from integration.native.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.collector.conftest import Running, Start

#: Texts that must not get through, and what is left of each.
SECRETS = {
    "write to ann.lee+work@mail.example.org now": "write to **** now",
    "amqp://worker:hunter2@broker:5672/%2F": "amqp****broker:5672/%2F",
    "refused: Bearer abcdefghijklmnop.qrst-uv": "refused: ****",
    "got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln": "got ****",
    "dsn host=db password=hunter2 sslmode=on": "dsn host=db **** sslmode=on",
    '{"api_key": "0123456789"}': '{"****"}',
    "key AKIAIOSFODNN7EXAMPLE is no good": "key **** is no good",
    "token ghp_abcdefghijklmnopqrstuvwxyz0123456789": "token ****",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----": "****",
}
#: Texts that must get through as they are.
HARMLESS = [
    "process speech:transcribe",
    "4f3c2b1a-0d9e-4c8b-a7f6-e5d4c3b2a190",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "http://127.0.0.1:4318/v1/traces",
    "basic authentication failed, no bearer token",
    "Systran/faster-whisper-tiny.en@int8",
    "2026-11-24T10:29:07.123+00:00",
]
CONTENT = "a sentence that somebody said"


@pytest.fixture(name="backend", scope="module")
def _backend() -> Iterator[Backend]:
    with Backend() as backend:
        yield backend


@pytest.fixture(name="running", scope="module")
def _running(start_collector: Start, backend: Backend) -> Running:
    return start_collector("red", "prometheus", VOXTRACE_OTLP_ENDPOINT=backend.endpoint)


def _arrived(backend: Backend, service: str, count: int) -> list[Span]:
    def condition() -> None:
        assert len(backend.spans(service)) == count

    eventually(condition)
    return backend.spans(service)


def test_secrets_in_spans_are_masked(running: Running, backend: Backend) -> None:
    """Wherever in a span a secret is (attribute, list, event, name or message), **** is there instead."""
    sent = []
    for text in SECRETS:
        each = span(text, error=text, some__text=text, some__list=[text])
        each.events.add(name="exception").attributes.extend(attributes({"exception.message": text}))
        sent.append(each)
    send(running.endpoint, *sent, service="secret")

    for found, left in zip(_arrived(backend, "secret", len(sent)), SECRETS.values(), strict=True):
        values = plain(found.attributes)
        assert (found.name, found.status.message, values["some.text"]) == (left, left, left)
        assert plain(found.events[0].attributes) == {"exception.message": left}
        assert "****" in values["some.list"]
        assert set(values) == {"some.text", "some.list"}


def test_what_is_harmless_gets_through(running: Running, backend: Backend) -> None:
    """Ids, addresses, names and times are left alone, as are numbers and lists."""
    sent = [span(text, error=text, some__text=text, list=[text], count=7, share=0.5) for text in HARMLESS]
    send(running.endpoint, *sent, service="harmless")

    assert _arrived(backend, "harmless", len(sent)) == sent


def test_values_of_secret_keys_are_masked(running: Running, backend: Backend) -> None:
    """Whatever is under a key that says that it is a secret is masked, in the resource too."""
    header = "http.request.header.authorization"
    sent = span("GET", kind=Span.SPAN_KIND_CLIENT, **{header.replace(".", "__"): ["x"], "db__password": "x"})
    request = traces([sent], service="keys", some__api_key="x")
    assert export(running.endpoint, "/v1/traces", request).status_code == 200

    (found,) = _arrived(backend, "keys", 1)
    assert plain(found.attributes) == {header: "****", "db.password": "****"}
    resources = backend.of("/v1/traces", lambda request: request.resource_spans)
    assert {plain(each.resource.attributes).get("some.api_key", "****") for each in resources} == {"****"}


def test_content_is_dropped(running: Running, backend: Backend) -> None:
    """No attribute under speech.pii.* gets through, from a span, an event or a resource."""
    sent = span("speech_to_text tiny.en", speech__pii__transcript=CONTENT, speech__asr__task="transcribe")
    sent.events.add(name="said").attributes.extend(attributes({"speech.pii.source_text": CONTENT}))
    request = traces([sent], service="content", speech__pii__spoken_text=CONTENT)
    assert export(running.endpoint, "/v1/traces", request).status_code == 200

    (found,) = _arrived(backend, "content", 1)
    assert plain(found.attributes) == {"speech.asr.task": "transcribe"}
    assert plain(found.events[0].attributes) == {}
    assert CONTENT not in str(backend.received)


def test_content_passes_where_that_is_allowed(start_collector: Start) -> None:
    """With VOXTRACE_KEEP_CONTENT=true what was captured goes on, and secrets in it are masked still."""
    with Backend() as backend:
        running = start_collector(VOXTRACE_OTLP_ENDPOINT=backend.endpoint, VOXTRACE_KEEP_CONTENT="true")
        send(running.endpoint, span("translate", speech__pii__translation=f"{CONTENT} to ann@example.org"))

        (found,) = _arrived(backend, "tests", 1)
        assert plain(found.attributes) == {"speech.pii.translation": f"{CONTENT} to ****"}


def test_logs_are_redacted(running: Running, backend: Backend) -> None:
    """Bodies and attributes of log records lose content and secrets."""
    request = ExportLogsServiceRequest()
    entry = request.resource_logs.add()
    entry.resource.attributes.extend(attributes({"service.name": "logs"}))
    records = entry.scope_logs.add().log_records
    for text in SECRETS:
        record = records.add()
        record.body.string_value = text
        record.attributes.extend(attributes({"speech.pii.transcript": CONTENT, "why": text}))
    structured = records.add()
    structured.body.kvlist_value.values.extend(
        attributes({"speech.pii.transcript": CONTENT, "event": "done"})
    )
    assert export(running.endpoint, "/v1/logs", request).status_code == 200

    def found() -> list[Any]:
        return backend.of(
            "/v1/logs",
            lambda request: (
                record
                for entry in request.resource_logs
                for scope in entry.scope_logs
                for record in scope.log_records
            ),
        )

    def condition() -> None:
        assert len(found()) == len(records)

    eventually(condition)
    *bodies, last = found()
    assert [(record.body.string_value, plain(record.attributes)) for record in bodies] == [
        (left, {"why": left}) for left in SECRETS.values()
    ]
    assert plain(last.body.kvlist_value.values) == {"event": "done"}


def test_metrics_are_redacted(running: Running, backend: Backend) -> None:
    """Attributes of data points lose content and secrets: they would be labels."""
    request = ExportMetricsServiceRequest()
    entry = request.resource_metrics.add()
    entry.resource.attributes.extend(attributes({"service.name": "metrics"}))
    metrics = entry.scope_metrics.add().metrics
    points = metrics.add(name="said").gauge.data_points
    for text in SECRETS:
        point = points.add(as_int=1)
        point.attributes.extend(attributes({"speech.pii.transcript": CONTENT, "why": text}))
    assert export(running.endpoint, "/v1/metrics", request).status_code == 200

    def found() -> list[dict[str, Any]]:
        return backend.of(
            "/v1/metrics",
            lambda request: (
                plain(point.attributes)
                for entry in request.resource_metrics
                for scope in entry.scope_metrics
                for metric in scope.metrics
                if metric.name == "said"
                for point in metric.gauge.data_points
            ),
        )

    def condition() -> None:
        assert found() == [{"why": left} for left in SECRETS.values()]

    eventually(condition)


def test_names_are_those_of_the_conventions(running: Running, backend: Backend) -> None:
    """A span gets the name that its attributes give it and keeps its own; old attributes get new names."""
    sent = [
        span("GET /users/4711", kind=Span.SPAN_KIND_SERVER, http__method="GET", http__route="/users/{id}"),
        span("transcribe receive", kind=Span.SPAN_KIND_CONSUMER, messaging__system="rabbitmq",
             messaging__destination="transcribe", messaging__operation="receive"),
        span("get", kind=Span.SPAN_KIND_CLIENT, http__request__method="GET", net__peer__name="broker"),
    ]  # fmt: skip
    request = traces(sent, service="named", deployment__environment="test")
    assert export(running.endpoint, "/v1/traces", request).status_code == 200

    server, consumer, client = _arrived(backend, "named", len(sent))
    assert [each.name for each in (server, consumer, client)] == [
        "GET /users/{id}",
        "receive transcribe",
        "GET",
    ]
    assert plain(server.attributes)["http.request.method"] == "GET"
    assert plain(server.attributes)["original_span_name"] == "GET /users/4711"
    assert plain(consumer.attributes)["messaging.destination.name"] == "transcribe"
    assert plain(client.attributes)["server.address"] == "broker"
    resources = backend.of("/v1/traces", lambda request: request.resource_spans)
    named = [plain(each.resource.attributes) for each in resources]
    assert [each["deployment.environment.name"] for each in named if "deployment.environment" in each] == [
        "test"
    ]
