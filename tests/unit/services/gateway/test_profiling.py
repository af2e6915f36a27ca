"""Requests with `?profile=true`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from unit.services.gateway.conftest import Gateway
from unit.services.gateway.sounds import wav
from voxtrace_services.gateway.jobs import Jobs
from voxtrace_services.gateway.profiling import Profiling

HERE = "http://127.0.0.1:8080"


@pytest.fixture(name="own")
def _own(gateway: Gateway) -> Iterator[TestClient]:
    """A client on the gateway's own machine."""
    client = TestClient(gateway.app, base_url=HERE, client=("127.0.0.1", 1), raise_server_exceptions=False)
    with client:
        yield client


def _turn(gateway: Gateway) -> Any:
    """The turn of the application's middleware."""
    layer = gateway.app.middleware_stack
    while not isinstance(layer, Profiling):
        layer = layer.app if hasattr(layer, "app") else layer._app  # type: ignore[union-attr]  # by any name
    return layer._turn


def test_the_answer_is_as_ever(own: TestClient) -> None:
    """A profiled request has the status, body and headers that it would have, and one header more."""
    plain = own.get("/v1/uploads?limit=3")
    profiled = own.get("/v1/uploads?limit=3&profile=true")
    assert (profiled.status_code, profiled.content) == (plain.status_code, plain.content)
    assert set(profiled.headers) - set(plain.headers) == {"x-profile"}
    assert "x-profile" not in own.get("/v1/uploads?profile=false").headers


def test_the_profile_is_kept(own: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header is the address of a page that shows the handler, which ran in a thread of its own."""
    recent = Jobs.recent

    def slow_recent(self: Jobs, limit: int) -> Any:
        # What holds the interpreter's lock is not sampled: this lets go of it.
        threading.Event().wait(0.2)
        return recent(self, limit)

    monkeypatch.setattr(Jobs, "recent", slow_recent)
    page = own.get(own.get("/v1/uploads?profile=true").headers["X-Profile"])
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "slow_recent" in page.text
    assert "GET /v1/uploads" in page.text


def test_an_upload_is_taken(own: TestClient) -> None:
    """An upload is accepted while profiled, and its form's parsing is in the profile."""
    answer = own.post("/v1/uploads?profile=1", files={"audio": ("x.wav", wav())})
    assert answer.status_code == 202
    assert own.get(answer.json()["status_url"]).status_code == 200
    assert "x-profile" in answer.headers


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/", 200), ("/v1/uploads/none", 404), ("/nowhere", 404)]
)
def test_every_route_can_be_profiled(own: TestClient, path: str, status: int) -> None:
    """Any answer but a crash has its profile, problems too."""
    answer = own.get(f"{path}?profile=true")
    assert answer.status_code == status
    assert own.get(answer.headers["X-Profile"]).status_code == 200


def test_a_crash_is_still_a_crash(own: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that fails is answered as ever, and the next request can be profiled."""

    def crash(_self: Jobs, _limit: int) -> None:
        raise KeyError

    monkeypatch.setattr(Jobs, "recent", crash)
    answer = own.get("/v1/uploads?profile=true")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert own.get("/health?profile=true").headers["X-Profile"]


def test_strangers_are_refused(client: TestClient, gateway: Gateway) -> None:
    """From anywhere else it is a typed 403, for routes and for profiles, and nothing is done."""
    answer = client.post("/v1/uploads?profile=true", files={"audio": ("x.wav", wav())})
    assert (answer.status_code, answer.json()["code"]) == (403, "profiling_forbidden")
    assert gateway.jobs.recent(1) == []
    assert client.get("/v1/uploads").status_code == 200
    assert client.get("/v1/profiles/0123456789abcdef").json()["code"] == "profiling_forbidden"


def test_one_at_a_time(own: TestClient, gateway: Gateway) -> None:
    """While a request is profiled, another that asks for it is a typed 409; others are served."""
    with _turn(gateway).taken():
        answer = own.get("/v1/uploads?profile=true")
        assert own.get("/v1/uploads").status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (409, "profiling_busy")
    assert own.get("/v1/uploads?profile=true").status_code == 200


def test_without_a_store_there_is_no_profile(own: TestClient, gateway: Gateway) -> None:
    """A profile that cannot be kept does not matter to the request: it has no header."""
    gateway.artifacts.write_text("a file where the folder should be")
    answer = own.get("/v1/uploads?profile=true")
    assert answer.status_code == 200
    assert "x-profile" not in answer.headers


@pytest.mark.parametrize("profile_id", ["0123456789abcdef", "nonsense", "..%2f..%2fsecret"])
def test_an_unknown_profile(own: TestClient, profile_id: str) -> None:
    """An id of no profile is a typed 404."""
    answer = own.get(f"/v1/profiles/{profile_id}")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"unknown_profile", "not_found"}
