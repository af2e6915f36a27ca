"""The worker's handler: decoding, idempotency, and what is beyond mending."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from voxtrace_services.core import worker
from voxtrace_services.core.artifacts import ArtifactStore, ArtifactStoreUnavailableError
from voxtrace_services.core.broker import Delivery, Outgoing, RejectedError
from voxtrace_services.core.messages import TranslateRequest
from voxtrace_services.core.results import Transcript

REQUEST = TranslateRequest(
    job_id="j", transcript="j/transcript.json", source_language="en", target_language="es"
)


@dataclass
class Upper:
    """A stage that shouts."""

    worked: list[str] = field(default_factory=list)

    queue: ClassVar[str] = "translate"
    request: ClassVar[type[TranslateRequest]] = TranslateRequest
    result: ClassVar[str] = "translation.json"

    def work(self, request: TranslateRequest, store: ArtifactStore) -> bytes:
        """Shout."""
        self.worked.append(request.job_id)
        return store.read(request.transcript).upper()

    def follow(self, request: TranslateRequest, result: bytes) -> Outgoing:
        """Pass it on."""
        return Outgoing(routing_key="next", body=result, message_id="m", correlation_id=request.job_id)


def delivery(body: bytes) -> Delivery:
    """A delivery of `body`."""
    return Delivery(body=body, routing_key="translate", queue="translate")


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path.as_uri())


def test_work_leaves_its_artifact(store: ArtifactStore) -> None:
    """A stage's result is stored before the next message is returned."""
    store.write("j/transcript.json", b"words")
    stage = Upper()
    results = worker.handler(stage, store)(delivery(REQUEST.model_dump_json().encode()))
    assert store.read("j/translation.json") == b"WORDS"
    assert [(result.routing_key, result.body) for result in results] == [("next", b"WORDS")]


def test_work_is_done_once(store: ArtifactStore) -> None:
    """A delivery whose artifact is there skips the engine and sends the same message on."""
    store.write("j/transcript.json", b"words")
    stage = Upper()
    handle = worker.handler(stage, store)
    first = handle(delivery(REQUEST.model_dump_json().encode()))
    assert handle(delivery(REQUEST.model_dump_json().encode())) == first
    assert stage.worked == ["j"]


def test_missing_input(store: ArtifactStore) -> None:
    """A request whose input is gone is rejected."""
    with pytest.raises(RejectedError) as caught:
        worker.handler(Upper(), store)(delivery(REQUEST.model_dump_json().encode()))
    assert caught.value.reason == "artifact_missing"
    assert not store.exists("j/translation.json")


def test_store_down_is_no_rejection(store: ArtifactStore, tmp_path: Path) -> None:
    """A store that cannot be written is worth a retry."""
    store.write("k/transcript.json", b"words")
    (tmp_path / "j").write_bytes(b"where a folder should be")
    request = REQUEST.model_copy(update={"transcript": "k/transcript.json"})
    with pytest.raises(ArtifactStoreUnavailableError):
        worker.handler(Upper(), store)(delivery(request.model_dump_json().encode()))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"hello", "not_json"),
        (b"", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[]", "invalid_message"),
        (b"{}", "invalid_message"),
        (b'{"version": 2, "job_id": "j"}', "unknown_version"),
        (b'{"version": [], "job_id": "j"}', "unknown_version"),
        (b'{"version": 1, "job_id": "secret words"}', "invalid_message"),
        (REQUEST.model_dump_json().encode().replace(b'"voice"', b'"secret words"'), "invalid_message"),
    ],
)
def test_poison(store: ArtifactStore, body: bytes, reason: str) -> None:
    """What is no message of version 1 is rejected by what is wrong with it, and never quoted."""
    with pytest.raises(RejectedError) as caught:
        worker.handler(Upper(), store)(delivery(body))
    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)


def test_invalid_artifact(store: ArtifactStore) -> None:
    """An artifact that is not what it should be is rejected, unquoted."""
    store.write("j/transcript.json", b'{"text": "secret words"}')
    with pytest.raises(RejectedError) as caught:
        worker.content(Transcript, store, "j/transcript.json")
    assert caught.value.reason == "artifact_invalid"
    assert "secret" not in str(caught.value)
