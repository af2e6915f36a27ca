"""Tests of `voxtrace.health`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from voxtrace.errors import HealthCheckError
from voxtrace.health import Answer, Health, HealthServer, Request, serve


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


def _without_numbers(report: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(report.pop("uptime_seconds"), float)
    assert isinstance(report.pop("resources"), dict)
    for check in report["checks"].values():
        assert 0 <= check.pop("age_seconds") < 60
        assert 0 <= check.pop("duration_seconds") < 60
    return report


def test_all_well() -> None:
    """With every check passing the service is ok."""
    assert _without_numbers(Health("asr", {"disk": _well}).report()) == {
        "service": "asr",
        "status": "ok",
        "checks": {"disk": {"status": "ok"}},
    }


def test_one_failing_check_fails_the_service() -> None:
    """One failing check fails the service; only a HealthCheckError publishes its text."""
    report = Health("asr", {"disk": _well, "broker": _broken, "queue": _explained}).report()
    assert _without_numbers(report) == {
        "service": "asr",
        "status": "failing",
        "checks": {
            "disk": {"status": "ok"},
            "broker": {"status": "failing", "message": "ConnectionError"},
            "queue": {"status": "failing", "message": "the queue is 4 minutes behind"},
        },
    }


def test_a_service_without_checks_is_well() -> None:
    """A service that answers and has no checks is ok."""
    assert Health("asr").report()["status"] == "ok"


def test_failing_is_503(server: HealthServer) -> None:
    """A failing service answers 503, with the report as JSON."""
    answer = httpx.get(f"http://127.0.0.1:{server.port}/health?verbose=1")
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"]["message"] == "ConnectionError"


def test_well_is_200() -> None:
    """A service that is ok answers 200."""
    with serve(Health("asr")) as server:
        assert httpx.get(f"http://127.0.0.1:{server.port}/health").status_code == 200


def test_other_paths_are_404(server: HealthServer) -> None:
    """Nothing but /health is served."""
    assert httpx.get(f"http://127.0.0.1:{server.port}/").status_code == 404


def _greet(request: Request) -> Answer:
    if "boom" in request.query:
        raise ValueError("a secret")
    return Answer(
        {"peer": request.peer, "name": request.query["name"], "agent": request.headers["agent"]}, 201
    )


def test_an_action_is_posted() -> None:
    """A POST to an action's path is answered by the action, which sees peer, query and headers."""
    with serve(Health("asr"), actions={"/greet": _greet}) as server:
        url = f"http://127.0.0.1:{server.port}"
        answer = httpx.post(f"{url}/greet?name=a%20b", headers={"Agent": "me"})
        assert httpx.get(f"{url}/greet").status_code == 404
        assert httpx.post(f"{url}/health").status_code == 404
    assert (answer.status_code, answer.json()) == (201, {"peer": "127.0.0.1", "name": "a b", "agent": "me"})


def test_an_action_that_fails_is_answered() -> None:
    """A failing action is a 500 that does not say what the exception said."""
    with serve(Health("asr"), actions={"/greet": _greet}) as server:
        answer = httpx.post(f"http://127.0.0.1:{server.port}/greet?boom=1")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_a_client_that_leaves_is_no_news(capfd: pytest.CaptureFixture[str]) -> None:
    """A client that goes before it is answered leaves nothing on the process's output."""
    with serve(Health("asr", {"x": lambda: None})) as server:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port)) as line:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                line.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        assert httpx.get(f"http://127.0.0.1:{server.port}/health").status_code == 200
    assert capfd.readouterr().err == ""


def test_details_that_are_no_json_are_told_by_their_type() -> None:
    """Whatever a check gives as details, the report can be served."""
    with serve(Health("asr", {"odd": lambda: {"what": {1, 2}, "n": 3}})) as server:
        report = httpx.get(f"http://127.0.0.1:{server.port}/health").json()
    assert report["checks"]["odd"]["details"] == {"what": "set", "n": 3}


def test_close_frees_the_port() -> None:
    """After close nobody listens any more, and closing again is harmless."""
    server = serve(Health("asr"))
    server.close()
    server.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/health")
