"""From the upload to the queue and back: whatever dies in between."""

from __future__ import annotations

import json
import signal
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from integration.gateway.conftest import requests
from integration.gateway.otlp import Receiver
from unit.services.gateway.sounds import wav
from unit.services.gateway.waiting import until
from voxtrace_services.core.messages import JobEvent
from voxtrace_services.core.rabbitmq import RabbitMQBroker
from voxtrace_services.core.retries import RetryPolicy
from voxtrace_services.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.gateway.conftest import Gateway
    from voxtrace_services.native import RabbitMQ


@pytest.fixture(name="broker")
def _broker(private_rabbitmq: Callable[[], RabbitMQ]) -> RabbitMQ:
    """A broker that nobody else publishes to, and that may be stopped."""
    return private_rabbitmq()


@pytest.fixture(name="worker")
def _worker(amqp_url: str) -> Iterator[RabbitMQBroker]:
    """What a worker would publish its events with."""
    with closing(RabbitMQBroker(amqp_url, policy=RetryPolicy(Settings().retry_delays))) as worker:
        yield worker


def test_an_upload_runs_and_ends(
    gateways: Callable[..., Gateway], amqp_url: str, worker: RabbitMQBroker
) -> None:
    """The request is published in the upload's trace; the event that comes back completes the job."""
    gateway = gateways(amqp_url)
    accepted = gateway.send().json()
    [headers] = requests(amqp_url, accepted["id"])[accepted["id"]]
    assert headers["traceparent"].split("-")[1] == accepted["trace_id"]
    until(lambda: gateway.state(accepted["id"]) == "running")
    worker.publish(JobEvent(job_id=accepted["id"], outcome="completed", stage="synthesis").outgoing("events"))
    until(lambda: gateway.state(accepted["id"]) == "completed")
    assert gateway.get("/health").json()["status"] == "ok"


def test_a_profile_is_linked(gateways: Callable[..., Gateway], amqp_url: str) -> None:
    """The server span of a profiled request says where its profile is, and the profile names its trace."""
    with Receiver() as receiver:
        telemetry = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        gateway = gateways(amqp_url, **telemetry)
        answer = gateway.get("/v1/uploads?profile=true")
        page = gateway.get(answer.headers["X-Profile"]).text
        gateway.process.stop()
        (span,) = (one for one in receiver.spans if one.name == "GET /v1/uploads")
    attributes = {one.key: one.value.string_value for one in span.attributes}
    assert attributes["voxtrace.profile.path"] == answer.headers["X-Profile"]
    assert span.trace_id.hex() in page


def test_the_spans_of_an_upload(gateways: Callable[..., Gateway], amqp_url: str) -> None:
    """The request's server span is the root, and the relay's publish its child."""
    with Receiver() as receiver:
        telemetry = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        gateway = gateways(amqp_url, **telemetry)
        accepted = gateway.send(name="Unmentionable.wav").json()
        until(lambda: gateway.state(accepted["id"]) == "running")
        gateway.process.stop()
        spans = receiver.of(accepted["trace_id"])
    named = {span.name: span for span in spans}
    assert {name: span.kind for name, span in named.items()} == {
        "POST /v1/uploads": Span.SPAN_KIND_SERVER,
        "publish speech:transcribe": Span.SPAN_KIND_PRODUCER,
    }
    assert named["POST /v1/uploads"].parent_span_id == b""
    assert named["publish speech:transcribe"].parent_span_id == named["POST /v1/uploads"].span_id
    said = {one.key: one.value for one in named["POST /v1/uploads"].attributes}
    assert said["speech.audio.container"].string_value == "wav"
    assert said["speech.audio.size"].int_value > 44
    assert said["speech.audio.duration"].double_value > 0
    assert "Unmentionable" not in str(receiver.spans)


def test_an_upload_while_the_broker_is_down(gateways: Callable[..., Gateway], broker: RabbitMQ) -> None:
    """It is accepted and waits; when the broker is back its request is published, in its own trace."""
    gateway = gateways(broker.url)
    broker.stop()
    uploads = [gateway.send() for _ in range(3)]
    assert [answer.status_code for answer in uploads] == [202, 202, 202]
    bodies = [answer.json() for answer in uploads]
    assert gateway.state(bodies[0]["id"]) == "queued"
    until(lambda: gateway.get("/health").json()["status"] == "degraded")
    assert gateway.get("/health").status_code == 200
    broker.start()
    until(lambda: {gateway.state(body["id"]) for body in bodies} == {"running"}, seconds=60)
    published = requests(broker.url, *(body["id"] for body in bodies))
    assert {upload: headers[0]["traceparent"].split("-")[1] for upload, headers in published.items()} == {
        body["id"]: body["trace_id"] for body in bodies
    }
    until(lambda: gateway.get("/health").json()["status"] == "ok", seconds=60)


def test_a_crash_between_commit_and_publish(gateways: Callable[..., Gateway], broker: RabbitMQ) -> None:
    """What a killed gateway left unsent the next one publishes in its trace, once there is a broker."""
    broker.stop()
    gateway = gateways(broker.url)
    accepted = gateway.send(key="k").json()
    assert gateway.state(accepted["id"]) == "queued"
    gateway.process.kill(signal.SIGKILL)
    gateway.process.start()
    broker.start()
    until(lambda: gateway.state(accepted["id"]) == "running", seconds=60)
    [headers] = requests(broker.url, accepted["id"])[accepted["id"]]
    assert headers["traceparent"].split("-")[1] == accepted["trace_id"]
    assert gateway.send(key="k").json() == accepted


def test_a_killed_gateway_loses_no_accepted_upload(gateways: Callable[..., Gateway], amqp_url: str) -> None:
    """Killed in the midst of uploads, it has for every 202 a request, sent once or more, never not at all."""
    gateway = gateways(amqp_url)
    accepted: list[str] = []

    def upload(number: int) -> None:
        try:
            answer = gateway.send(key=f"k{number}")
        except httpx.TransportError:
            return  # no answer, no promise
        if answer.status_code == 202:
            accepted.append(answer.json()["id"])
            if len(accepted) == 5:
                gateway.process.kill(signal.SIGKILL)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upload, range(12)))
    assert len(accepted) >= 5
    gateway.process.start()
    until(lambda: "queued" not in {gateway.state(upload_id) for upload_id in accepted}, seconds=60)
    assert all(requests(amqp_url, *accepted).values())


def test_one_key_at_once_is_one_upload(
    gateways: Callable[..., Gateway], amqp_url: str, database_url: str
) -> None:
    """Eight requests with one key at the same moment get the same answer, and make one of everything."""
    gateway = gateways(amqp_url, VOXTRACE_DATABASE_URL=database_url)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: gateway.send(key="k"), range(8)))
    assert Counter(answer.status_code for answer in answers) == {202: 8}
    [upload_id] = {answer.json()["id"] for answer in answers}
    assert len({answer.text for answer in answers}) == 1
    assert gateway.stored() == [f"{upload_id}/audio"]
    until(lambda: gateway.state(upload_id) == "running")
    assert len(requests(amqp_url, upload_id)[upload_id]) == 1


def test_a_told_gateway_finishes_what_it_has(gateways: Callable[..., Gateway], amqp_url: str) -> None:
    """On SIGTERM an upload in progress is taken to its end, and the process ends well; all logs are JSON."""
    gateway = gateways(amqp_url)
    address = urlsplit(gateway.url)
    content = wav()
    head = b'--line\r\nContent-Disposition: form-data; name="audio"; filename="Unmentionable.wav"\r\n\r\n'
    body = head + content + b"\r\n--line--\r\n"
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=20) as connection:
        connection.sendall(
            f"POST /v1/uploads HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=line\r\n\r\n".encode()
            + body[:1000]
        )
        until(lambda: gateway.get("/health").status_code == 200)
        gateway.process.kill(signal.SIGTERM)

        def refuses() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((str(address.hostname), address.port or 80)) != 0

        until(refuses)
        connection.sendall(body[1000:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 202 ")
    until(lambda: not gateway.process.running)
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    assert lines[-1]["event"] == "service stopped"
    assert {line["service"] for line in lines} == {"gateway"}
    assert "Unmentionable" not in gateway.log.read_text()
