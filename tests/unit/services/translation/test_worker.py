"""The translation stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voxtrace_services.core import worker
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.broker import Delivery
from voxtrace_services.core.messages import TranslateRequest
from voxtrace_services.core.results import Transcript
from voxtrace_services.translation.worker import TranslationStage


class Shouter:
    """A translator that shouts."""

    def translate(self, text: str, source: str, target: str) -> str:
        """Shout."""
        return f"{text.upper()} ({source} {target})\n"


@pytest.mark.parametrize(
    ("target", "text"),
    [("es", "HELLO (en es)"), ("es-419", "HELLO (en es-419)"), ("en", "hello"), ("en-GB", "hello")],
)
def test_stage(tmp_path: Path, target: str, text: str) -> None:
    """A transcript is translated unless it is in the target language already; then it is to be spoken."""
    store = ArtifactStore(tmp_path.as_uri())
    transcript = Transcript(text="hello", language="en", language_probability=1.0, duration=1.0, segments=())
    store.write("j/transcript.json", transcript.model_dump_json().encode())
    request = TranslateRequest(
        job_id="j", transcript="j/transcript.json", source_language="en", target_language=target
    )
    delivery = Delivery(body=request.outgoing("translate").body, routing_key="translate", queue="translate")
    [outgoing] = worker.handler(TranslationStage(Shouter()), store)(delivery)
    assert json.loads(store.read("j/translation.json")) == {
        "text": text,
        "source_language": "en",
        "target_language": target,
    }
    assert (outgoing.exchange, outgoing.routing_key, json.loads(outgoing.body)) == (
        "speech",
        "synthesize",
        {"version": 1, "job_id": "j", "translation": "j/translation.json", "language": target, "voice": None},
    )
