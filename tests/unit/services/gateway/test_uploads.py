"""The uploads as a client sees them."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

import voxtrace.context
from unit.services.gateway.sounds import wav
from unit.services.gateway.waiting import until
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.messages import JobEvent
from voxtrace_services.gateway import app
from voxtrace_services.gateway.jobs import IdempotencyKeyTakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from unit.services.gateway.conftest import Gateway
    from voxtrace_services.gateway.jobs import Job, Jobs
    from voxtrace_services.gateway.settings import GatewaySettings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CARRIER = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
NAME = "interview with Ms Unmentionable.wav"
J1 = "00000000-0000-4000-8000-000000000001"


def send(
    client: TestClient, *, headers: Mapping[str, str] | None = None, **fields: str
) -> tuple[int, dict[str, Any]]:
    """Upload a second of sound."""
    answer = client.post(
        "/v1/uploads", files={"audio": (NAME, wav())}, data=fields, headers=dict(headers or {})
    )
    return answer.status_code, answer.json()


def files(folder: Path) -> list[str]:
    """Every file in a folder, by its path in it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_upload_is_accepted(client: TestClient) -> None:
    """The answer is 202 with the id, where to ask, and the trace; Location says where too."""
    answer = client.post("/v1/uploads", files={"audio": (NAME, wav())})
    body = answer.json()
    assert answer.status_code == 202
    assert body == {
        "id": str(uuid.UUID(body["id"])),
        "status_url": f"/v1/uploads/{body['id']}",
        "trace_id": None,
    }
    assert answer.headers["location"] == body["status_url"]


def test_an_upload_is_stored_whole_and_its_request_sent(client: TestClient, gateway: Gateway) -> None:
    """The artifact is the very bytes that were sent, and the request names it."""
    _, body = send(client, target_language="fr", voice="anna")
    name = f"{body['id']}/audio"
    assert gateway.store.read(name) == wav()
    until(lambda: gateway.jobs.get(body["id"]).sent_at)
    [delivery] = gateway.broker.take("transcribe")
    assert f'"audio":"{name}"'.encode() in delivery.body
    assert b'"target_language":"fr","voice":"anna"' in delivery.body


def test_the_job_remembers_its_trace(
    client: TestClient, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer tells the trace id, and the row holds what continues the trace."""
    monkeypatch.setattr(voxtrace.context, "trace_id", lambda: TRACE)
    monkeypatch.setattr(voxtrace.context, "capture", lambda: CARRIER)
    _, body = send(client)
    assert body["trace_id"] == TRACE
    assert gateway.jobs.get(body["id"]).context == CARRIER


def test_the_status_of_a_new_upload(client: TestClient, gateway: Gateway) -> None:
    """Everything is pending and nothing is there yet; the request has gone out."""
    _, body = send(client, voice="anna")
    until(lambda: gateway.jobs.get(body["id"]).sent_at)
    status = client.get(body["status_url"]).json()
    assert datetime.fromisoformat(status.pop("created_at")).tzinfo is not None
    assert status == {
        "id": body["id"],
        "state": "running",
        "stages": {"transcription": "pending", "translation": "pending", "synthesis": "pending"},
        "finished_at": None,
        "audio_duration": 1.0,
        "target_language": "es",
        "voice": "anna",
        "failure": None,
        "results": {"transcript": None, "translation": None, "speech": None},
        "trace_id": None,
    }


def test_an_upload_waits_while_the_broker_is_away(client: TestClient, gateway: Gateway) -> None:
    """Without a broker an upload is accepted and queued; it runs when the broker is back."""
    gateway.broker.available = False
    code, body = send(client)
    assert (code, client.get(body["status_url"]).json()["state"]) == (202, "queued")
    gateway.broker.available = True
    until(lambda: client.get(body["status_url"]).json()["state"] == "running")


def test_stages_are_done_when_their_artifacts_are_there(
    client: TestClient, gateway: Gateway, add: Callable[..., Job]
) -> None:
    """A stage's result is the evidence of its work, and is offered at once."""
    add(J1)
    gateway.store.write(f"{J1}/transcript.json", b"{}")
    status = client.get(f"/v1/uploads/{J1}").json()
    assert status["stages"] == {"transcription": "done", "translation": "pending", "synthesis": "pending"}
    assert status["results"] == {
        "transcript": f"/v1/uploads/{J1}/transcript",
        "translation": None,
        "speech": None,
    }


def test_a_completed_upload(client: TestClient, gateway: Gateway, add: Callable[..., Job]) -> None:
    """All stages are done, and each result has the type that it is."""
    add(J1)
    contents = {
        "transcript.json": b'{"text":"good morning"}',
        "translation.json": b'{"text":"buenos dias"}',
        "speech.wav": wav(),
    }
    for leaf, content in contents.items():
        gateway.store.write(f"{J1}/{leaf}", content)
    gateway.jobs.finish(JobEvent(job_id=J1, outcome="completed", stage="synthesis"))
    status = client.get(f"/v1/uploads/{J1}").json()
    assert (status["state"], set(status["stages"].values()), status["failure"]) == (
        "completed",
        {"done"},
        None,
    )
    assert status["finished_at"] >= status["created_at"]
    answers = [client.get(status["results"][name]) for name in ("transcript", "translation", "speech")]
    assert [answer.content for answer in answers] == list(contents.values())
    assert [answer.headers["content-type"] for answer in answers] == [
        "application/json",
        "application/json",
        "audio/wav",
    ]
    assert {answer.headers["x-content-type-options"] for answer in answers} == {"nosniff"}


def test_a_failed_upload(client: TestClient, gateway: Gateway, add: Callable[..., Job]) -> None:
    """The stage that gave up is failed with its reason, what was done before stays done."""
    add(J1)
    gateway.store.write(f"{J1}/transcript.json", b"{}")
    event = JobEvent(job_id=J1, outcome="failed", stage="translation", reason="worker_lost", detail="Lost.")
    gateway.jobs.finish(event)
    status = client.get(f"/v1/uploads/{J1}").json()
    assert status["state"] == "failed"
    assert status["stages"] == {"transcription": "done", "translation": "failed", "synthesis": "pending"}
    assert status["failure"] == {"stage": "translation", "reason": "worker_lost", "detail": "Lost."}


@pytest.mark.parametrize("name", ["transcript", "translation", "speech"])
def test_a_result_that_is_not_there_yet(client: TestClient, add: Callable[..., Job], name: str) -> None:
    """The answer tells to ask again while the job runs."""
    add(J1)
    answer = client.get(f"/v1/uploads/{J1}/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "result_not_ready")
    assert f"/v1/uploads/{J1}" in answer.json()["detail"]


def test_a_result_that_will_never_be_there(
    client: TestClient, gateway: Gateway, add: Callable[..., Job]
) -> None:
    """After the end the answer does not tell to wait."""
    add(J1)
    gateway.jobs.finish(JobEvent(job_id=J1, outcome="failed", stage="transcription", reason="x", detail="y"))
    answer = client.get(f"/v1/uploads/{J1}/speech")
    assert (answer.status_code, answer.json()["code"]) == (404, "result_unavailable")


@pytest.mark.parametrize("unknown", [J1, "none", "%00", "..%2f..%2fetc", "'; DROP TABLE jobs;--"])
@pytest.mark.parametrize("result", ["", "/transcript", "/translation", "/speech"])
def test_an_unknown_upload(client: TestClient, unknown: str, result: str) -> None:
    """Whatever is asked of an id that is none, the answer is 404."""
    answer = client.get(f"/v1/uploads/{unknown}{result}")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"unknown_upload", "not_found"}


def test_the_same_key_is_the_same_upload(client: TestClient, gateway: Gateway) -> None:
    """A repeated request is answered like the first and leaves one job, one artifact and one request."""
    first = send(client, headers={"Idempotency-Key": "k1"})
    assert send(client, headers={"Idempotency-Key": "k1"}) == first
    assert send(client, headers={"Idempotency-Key": "k2"}) != first
    assert len(gateway.jobs.recent(10)) == len(files(gateway.artifacts)) == 2
    until(lambda: not gateway.jobs.unsent(1))
    assert len(gateway.broker.take("transcribe")) == 2


def test_without_a_key_every_upload_is_another(client: TestClient) -> None:
    """Equal content alone does not make two uploads one."""
    assert send(client) != send(client)


def test_a_request_that_is_overtaken_leaves_nothing(
    client: TestClient, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When another request took the key since it was looked for, its job is the answer."""
    first = send(client, headers={"Idempotency-Key": "k1"})
    look, looked = gateway.jobs.find, []

    def find(key: str) -> Job | None:
        looked.append(key)
        return None if len(looked) == 1 else look(key)

    monkeypatch.setattr(gateway.jobs, "find", find)
    assert send(client, headers={"Idempotency-Key": "k1"}) == first
    assert len(gateway.jobs.recent(10)) == len(files(gateway.artifacts)) == 1


def test_a_key_that_vanishes_is_no_answer(
    client: TestClient, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A taken key without a job is our failure, not a made-up success."""

    def adding(_job: Job) -> AbstractContextManager[None]:
        raise IdempotencyKeyTakenError

    monkeypatch.setattr(gateway.jobs, "adding", adding)
    code, body = send(client, headers={"Idempotency-Key": "k1"})
    assert (code, body["code"]) == (500, "internal_error")


def test_an_unwritable_store_leaves_nothing_half_made(
    tmp_path: Path, settings: GatewaySettings, jobs: Jobs, gateway: Gateway
) -> None:
    """Without artifacts there is no job: 503, no row, no file, no request; and the key is free again."""
    place = tmp_path / "place"
    place.write_text("a file where the folder should be")
    store = ArtifactStore((place / "artifacts").as_uri())
    broken = app.create(settings=settings, jobs=jobs, store=store, broker=gateway.broker)
    with TestClient(broken, raise_server_exceptions=False) as client:
        code, body = send(client, headers={"Idempotency-Key": "k1"})
        assert (code, body["code"]) == (503, "artifacts_unavailable")
        assert client.get("/v1/uploads").json() == {"uploads": []}
        place.unlink()
        code, _ = send(client, headers={"Idempotency-Key": "k1"})
        assert code == 202
    assert len(files(place)) == 1


def test_a_database_that_fails_is_a_problem(
    client: TestClient, gateway: Gateway, tmp_path: Path, settings: GatewaySettings
) -> None:
    """When the row cannot be written, nothing is stored and the client is told to come again."""
    gateway.jobs.close()
    (tmp_path / "jobs.db").unlink()
    (tmp_path / "jobs.db").mkdir()
    code, body = send(client)
    assert (code, body["code"]) == (503, "database_unavailable")
    assert files(gateway.artifacts) == []


def test_the_newest_uploads_come_first(client: TestClient) -> None:
    """The list is short, in order, and says where each upload is found."""
    ids = [send(client)[1]["id"] for _ in range(3)]
    uploads = client.get("/v1/uploads", params={"limit": 2}).json()["uploads"]
    assert [upload["id"] for upload in uploads] == ids[:0:-1]
    assert uploads[0]["status_url"] == f"/v1/uploads/{ids[2]}"


def test_a_file_s_name_goes_nowhere(
    client: TestClient, gateway: Gateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Names of files are content: in no log, no path, no row and no message."""
    caplog.set_level(logging.DEBUG)
    _, body = send(client)
    client.post("/v1/uploads", files={"audio": (NAME, b"no sound")})
    until(lambda: gateway.jobs.get(body["id"]).sent_at)
    assert "Unmentionable" not in caplog.text
    assert files(gateway.artifacts) == [f"{body['id']}/audio"]
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("jobs.db*"))
    assert b"Unmentionable" not in stored + gateway.broker.take("transcribe")[0].body


def test_a_well_gateway_says_so(client: TestClient) -> None:
    """The report names the service, its state and each check."""
    answer = client.get("/health")
    body = answer.json()
    assert answer.status_code == 200
    assert body["uptime_seconds"] >= 0
    assert body["resources"]["memory_rss_bytes"] > 0
    assert (body["service"], body["status"]) == ("gateway", "ok")
    assert {name: check["status"] for name, check in body["checks"].items()} == dict.fromkeys(
        ("database", "artifacts", "broker", "ffprobe", "disk"), "ok"
    )


def test_without_the_broker_the_gateway_is_degraded(client: TestClient, gateway: Gateway) -> None:
    """Uploads are still taken, so the status is 200: a balancer must not send them elsewhere."""
    gateway.broker.available = False
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["broker"]["status"] == "failing"


def test_without_a_store_the_gateway_is_failing(client: TestClient, gateway: Gateway) -> None:
    """Uploads cannot be taken, with or without the broker: 503."""
    gateway.broker.available = False
    gateway.artifacts.write_text("a file where the folder should be")
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert answer.json()["checks"]["artifacts"]["status"] == "failing"


def test_the_form_is_described(client: TestClient) -> None:
    """The description of the API names the parts of the form, which is read by hand."""
    described = client.get("/openapi.json").json()["paths"]["/v1/uploads"]["post"]["requestBody"]
    schema = described["content"]["multipart/form-data"]["schema"]
    assert (schema["required"], set(schema["properties"])) == (
        ["audio"],
        {"audio", "target_language", "voice"},
    )
