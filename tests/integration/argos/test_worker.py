"""The translation stage with the real Argos in it, as the service makes it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from voxtrace_services.core import worker
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.broker import Delivery, RejectedError
from voxtrace_services.core.messages import TranslateRequest
from voxtrace_services.core.results import Transcript
from voxtrace_services.core.settings import Settings
from voxtrace_services.translation.engine import load
from voxtrace_services.translation.worker import TranslationStage

pytestmark = pytest.mark.argos

TEXT = "it was the age of wisdom."


def deliver(store: ArtifactStore, target: str) -> list[Any]:
    """Run one job through the worker's handler."""
    transcript = Transcript(text=TEXT, language="en", language_probability=1.0, duration=1.0, segments=())
    store.write("job/transcript.json", transcript.model_dump_json().encode())
    request = TranslateRequest(
        job_id="job", transcript="job/transcript.json", source_language="en", target_language=target
    )
    handle = worker.handler(TranslationStage(load(Settings(translation_engine="argos"))), store)
    body = request.outgoing("translate").body
    return list(handle(Delivery(body=body, routing_key="translate", queue="translate")))


@pytest.mark.parametrize("target", ["es", "de"])
def test_job(fresh: Any, tmp_path: Path, target: str, caplog: pytest.LogCaptureFixture) -> None:
    """A transcript becomes a translation, by one model or two; no word of it is logged."""
    store = ArtifactStore(tmp_path.as_uri())
    with caplog.at_level(logging.INFO):
        [outgoing] = deliver(store, target)
    translation = json.loads(store.read("job/translation.json"))
    assert translation["text"]
    assert translation["text"] != TEXT
    assert json.loads(outgoing.body)["language"] == target
    assert "wisdom" not in caplog.text


def test_no_way(fresh: Any, tmp_path: Path) -> None:
    """A language that no package leads to is rejected, not retried."""
    with pytest.raises(RejectedError) as caught:
        deliver(ArtifactStore(tmp_path.as_uri()), "fr")
    assert caught.value.reason == "unsupported_language"
