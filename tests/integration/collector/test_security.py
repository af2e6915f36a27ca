"""Where the Collector listens beyond loopback, it speaks TLS and lets in who knows the token."""

from __future__ import annotations

import json
import ssl
import subprocess
from typing import TYPE_CHECKING

import grpc
import httpx
import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from integration.collector.otlp import Backend, export, span, traces
from integration.native.waiting import eventually
from voxtrace_services.native.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration.collector.conftest import Running, Start

_TOKEN = "known-to-both"  # noqa: S105  a test's own
_BEARER = f"Bearer {_TOKEN}"


@pytest.fixture(name="certificate", scope="module")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for this machine that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-subj", "/CN=collector", "-addext", f"subjectAltName=IP:{LOOPBACK}", "-days", "2"),
            *("-out", certificate, "-keyout", key),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture(name="backend", scope="module")
def _backend() -> Iterator[Backend]:
    with Backend() as backend:
        yield backend


@pytest.fixture(name="secured", scope="module")
def _secured(
    start_collector: Start,
    backend: Backend,
    certificate: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Running:
    """A Collector with the security layer, on every address of the machine."""
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(_TOKEN)
    return start_collector(
        "security",
        VOXTRACE_OTLP_ENDPOINT=backend.endpoint,
        VOXTRACE_INGEST_CERTIFICATE=str(certificate[0]),
        VOXTRACE_INGEST_KEY=str(certificate[1]),
        VOXTRACE_INGEST_TOKEN_FILE=str(token),
    )


@pytest.fixture(name="trusted")
def _trusted(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What a sender needs to believe the Collector."""
    return ssl.create_default_context(cafile=str(certificate[0]))


@pytest.fixture(name="address")
def _address(secured: Running) -> str:
    """Where it takes OTLP over HTTPS."""
    return secured.endpoint.replace("http://", "https://")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": _TOKEN}])
def test_without_the_token_nothing_is_taken(
    address: str, backend: Backend, trusted: ssl.SSLContext, headers: dict[str, str]
) -> None:
    """No token, a wrong one or a bare one is answered with 401."""
    request = traces([span("stranger")], service="strangers")

    assert export(address, "/v1/traces", request, headers=headers, verify=trusted).status_code == 401
    assert backend.spans("strangers") == []


def test_without_tls_nothing_is_taken(secured: Running) -> None:
    """A sender that speaks plain HTTP does not get to send its token."""
    answer = export(secured.endpoint, "/v1/traces", traces([]), headers={"authorization": _BEARER})

    assert answer.status_code == 400
    assert "HTTPS" in answer.text


def test_an_unknown_certificate_is_not_believed(address: str) -> None:
    """A sender that was not told to trust the certificate sends nothing."""
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        export(address, "/v1/traces", traces([]), headers={"authorization": _BEARER})


def test_with_the_token_spans_are_taken(address: str, backend: Backend, trusted: ssl.SSLContext) -> None:
    """Over HTTPS with the token a span is taken and arrives."""
    sent = span("known")
    request = traces([sent], service="known")
    answer = export(address, "/v1/traces", request, headers={"authorization": _BEARER}, verify=trusted)
    assert answer.status_code == 200

    def condition() -> None:
        assert set(backend.span_ids("known")) == {sent.span_id}

    eventually(condition)


def test_grpc_is_guarded_alike(secured: Running, backend: Backend, certificate: tuple[Path, Path]) -> None:
    """Over gRPC too the token decides, and the connection is TLS."""
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    sent = span("known by gRPC")
    request = traces([sent], service="grpc")
    with grpc.secure_channel(f"{LOOPBACK}:{secured.ports.collector_grpc}", credentials) as channel:
        stub = TraceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.Export(request, timeout=30)
        stub.Export(request, timeout=30, metadata=[("authorization", _BEARER)])

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]  # a Call as well

    def condition() -> None:
        assert backend.span_ids("grpc") == {sent.span_id: 1}

    eventually(condition)


def test_a_collector_sends_on_to_a_secured_one(
    start_collector: Start, address: str, backend: Backend, certificate: tuple[Path, Path]
) -> None:
    """With base.yaml, otlp-backend.yaml and three variables a Collector sends on through TLS and token."""
    sender = start_collector(
        VOXTRACE_OTLP_ENDPOINT=address,
        VOXTRACE_OTLP_HEADERS=json.dumps({"authorization": _BEARER}),
        VOXTRACE_OTLP_CERTIFICATE=str(certificate[0]),
    )
    sent = span("passed on")
    assert export(sender.endpoint, "/v1/traces", traces([sent], service="agent")).status_code == 200

    def condition() -> None:
        assert set(backend.span_ids("agent")) == {sent.span_id}

    eventually(condition)


def test_everything_else_stays_on_loopback(secured: Running) -> None:
    """The layer opens the two receivers to every address of the machine, and nothing else."""
    listening = {
        connection.laddr.port: connection.laddr.ip
        for connection in psutil.Process(secured.process.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    ports = secured.ports
    opened = {ports.collector_grpc, ports.collector_http}

    assert opened < listening.keys()
    assert {port for port, address in listening.items() if address != LOOPBACK} == opened
