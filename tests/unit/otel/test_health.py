"""Tests of `voxtrace.health`."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from voxtrace.errors import HealthCheckError
from voxtrace.health import Health, HealthServer, serve


def _well() -> None:
    """Pass."""


def _broken() -> None:
    raise ConnectionError("amqp://user:secret@broker")


def _explained() -> None:
    raise HealthCheckError("the queue is 4 minutes behind")


@pytest.fixture(name="server")
def _server() -> Iterator[HealthServer]:
    with serve(Health("asr", {"broker": _broken, "disk": _well})) as server:
        yield server


def _without_uptime(report: dict[str, object]) -> dict[str, object]:
    assert isinstance(report.pop("uptime_seconds"), float)
    return report


def test_all_well() -> None:
    """With every check passing the service is ok."""
    assert _without_uptime(Health("asr", {"disk": _well}).report()) == {
        "service": "asr",
        "status": "ok",
        "checks": {"disk": {"status": "ok"}},
    }


def test_one_failing_check_fails_the_service() -> None:
    """One failing check fails the service; only a HealthCheckError publishes its text."""
    report = Health("asr", {"disk": _well, "broker": _broken, "queue": _explained}).report()
    assert _without_uptime(report) == {
        "service": "asr",
        "status": "failing",
        "checks": {
            "disk": {"status": "ok"},
            "broker": {"status": "failing", "detail": "ConnectionError"},
            "queue": {"status": "failing", "detail": "the queue is 4 minutes behind"},
        },
    }


def test_a_service_without_checks_is_well() -> None:
    """A service that answers and has no checks is ok."""
    assert Health("asr").report()["status"] == "ok"


def test_failing_is_503(server: HealthServer) -> None:
    """A failing service answers 503, with the report as JSON."""
    answer = httpx.get(f"http://127.0.0.1:{server.port}/health?verbose=1")
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == {"status": "failing", "detail": "ConnectionError"}


def test_well_is_200() -> None:
    """A service that is ok answers 200."""
    with serve(Health("asr")) as server:
        assert httpx.get(f"http://127.0.0.1:{server.port}/health").status_code == 200


def test_other_paths_are_404(server: HealthServer) -> None:
    """Nothing but /health is served."""
    assert httpx.get(f"http://127.0.0.1:{server.port}/").status_code == 404


def test_close_frees_the_port() -> None:
    """After close nobody listens any more, and closing again is harmless."""
    server = serve(Health("asr"))
    server.close()
    server.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/health")
