"""How the gateway says no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import OperationalError

from voxtrace_services.core.artifacts import ArtifactStoreUnavailableError
from voxtrace_services.gateway import problems

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from unit.services.gateway.conftest import Gateway

PROBLEMS = [value for value in vars(problems).values() if isinstance(value, problems.Problem)]


def test_a_problem_has_the_five_members(client: TestClient) -> None:
    """A problem is problem details after RFC 9457, with our stable code beside them."""
    answer = client.get("/v1/uploads/none")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:voxtrace:problem:unknown_upload",
        "title": "There is no such upload",
        "status": 404,
        "detail": "Use the id or the status_url from the answer to POST /v1/uploads.",
        "code": "unknown_upload",
    }
    assert answer.status_code == 404


def test_codes_are_unique() -> None:
    """A client can tell every problem by its code alone."""
    codes = [problem.code for problem in PROBLEMS]
    assert len(codes) > 10
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/v1/uploads", 405, "method_not_allowed"),
        ("GET", "/v1/uploads?limit=0", 422, "invalid_field"),
        ("GET", "/v1/uploads?limit=ten", 422, "invalid_field"),
        ("GET", "/docs", 404, "not_found"),
    ],
)
def test_the_framework_speaks_the_same_language(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    """Errors that the framework finds are problems too."""
    answer = client.request(method, path)
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_value_is_not_quoted(client: TestClient) -> None:
    """What was sent is content: the answer names the field and the rule."""
    detail = client.get("/v1/uploads", params={"limit": "my secret"}).json()["detail"]
    assert "limit" in detail
    assert "secret" not in detail


@pytest.mark.parametrize(
    ("error", "answered"),
    [
        (ArtifactStoreUnavailableError("disk"), (503, "artifacts_unavailable", "5")),
        (OperationalError("SELECT", {}, Exception("gone")), (503, "database_unavailable", "5")),
        (RuntimeError("a bug, with a path: /srv/x"), (500, "internal_error", None)),
    ],
)
def test_what_breaks_behind_the_gateway_is_a_problem(
    client: TestClient,
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    answered: tuple[int, str, str | None],
) -> None:
    """A part that is away is a 503 that says when to ask again; the reason is for the log alone."""

    def break_down(*_arguments: Any) -> None:
        raise error

    monkeypatch.setattr(gateway.jobs, "recent", break_down)
    answer = client.get("/v1/uploads")
    assert (answer.status_code, answer.json()["code"], answer.headers.get("retry-after")) == answered
    assert str(error) not in answer.text
