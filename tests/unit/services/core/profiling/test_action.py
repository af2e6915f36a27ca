"""What a worker answers when it is asked to profile itself."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from unit.services.core.profiling.labour import Ward, at_work, until
from voxtrace.health import Answer, Request
from voxtrace.testing import CapturedTelemetry
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.profiling import Policy, ProfileAction, Sampler
from voxtrace_services.core.profiling.profile import kept

OWN = {"host": "127.0.0.1:8081"}


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore((tmp_path / "artifacts").as_uri())


@pytest.fixture(name="sampler")
def _sampler() -> Sampler:
    return Sampler()


@pytest.fixture(name="action")
def _action(sampler: Sampler, store: ArtifactStore) -> ProfileAction:
    return ProfileAction("asr", sampler, store, "loopback")


def _request(seconds: str = "0.1") -> Request:
    return Request("127.0.0.1", {"seconds": seconds}, OWN)


def _code(answer: Answer) -> tuple[int, Any]:
    return int(answer.status), answer.body.get("code")


def test_a_profile(action: ProfileAction, sampler: Sampler, store: ArtifactStore) -> None:
    """The answer holds the report, which is kept under its address as a page."""
    with at_work(sampler.covered(Ward().toil)):
        answer = action(_request())
    assert (answer.status, answer.body["service"]) == (200, "asr")
    assert "Ward.toil" in answer.body["text"]
    assert answer.body["samples"] > 0
    assert answer.body["address"] == f"/v1/profiles/{answer.body['id']}"
    page = kept(store, answer.body["id"])
    assert page is not None
    assert page.decode() == answer.body["html"]


def test_the_traces_that_it_covers(
    action: ProfileAction, sampler: Sampler, telemetry: CapturedTelemetry
) -> None:
    """The work's span says where the profile is, and the profile names the work's trace."""
    with telemetry.tracer("test").start_as_current_span("process"), sampler.covering():
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(action(_request())))
        thread.start()
        thread.join()
    body = answers[0].body
    (span,) = telemetry.spans()
    assert body["traces"] == ["00000000000000000000000000000001"]
    assert span["attributes"] == {"voxtrace.profile.path": body["address"]}


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "nan", "inf", "ten", ""])
def test_its_length_is_bounded(action: ProfileAction, seconds: str) -> None:
    """A length that is none, or too long, is a typed refusal."""
    assert _code(action(_request(seconds))) == (422, "invalid_seconds")


def test_a_second_profile_is_refused(action: ProfileAction, sampler: Sampler) -> None:
    """While one is taken, another is refused; afterwards it is not."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(action(_request("1"))))
    thread.start()
    until(action._turn._lock.locked)
    assert _code(action(_request())) == (409, "profiling_busy")
    thread.join()
    assert [answers[0].status, action(_request("0.01")).status] == [200, 200]


@pytest.mark.parametrize(("policy", "status"), [("loopback", 403), ("off", 403), ("anyone", 200)])
def test_a_stranger(sampler: Sampler, store: ArtifactStore, policy: Policy, status: int) -> None:
    """A request from another machine is refused unless the setting allows it."""
    action = ProfileAction("asr", sampler, store, policy)
    answer = action(Request("10.0.0.7", {"seconds": "0.01"}, {"host": "asr:8081"}))
    assert answer.status == status


def test_a_store_that_is_away(sampler: Sampler, tmp_path: Path) -> None:
    """Without its store a worker still answers with the report, which then has no address."""
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    store = ArtifactStore((tmp_path / "artifacts").as_uri())
    answer = ProfileAction("asr", sampler, store, "loopback")(_request("0.01"))
    assert (answer.status, answer.body["address"]) == (200, None)
    assert "No samples" in answer.body["text"]


@pytest.mark.parametrize("profile_id", ["0123456789abcdef", "../../etc/passwd", "", "x" * 16])
def test_a_profile_that_is_not_there(store: ArtifactStore, profile_id: str) -> None:
    """What is no profile's id, or the id of none, is not found."""
    assert kept(store, profile_id) is None
