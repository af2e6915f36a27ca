"""The synthesis stage."""

from __future__ import annotations

import json
from pathlib import Path

from voxtrace_services.core import worker
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.broker import Delivery
from voxtrace_services.core.messages import SynthesizeRequest
from voxtrace_services.core.results import Translation
from voxtrace_services.synthesis.worker import SynthesisStage


class Typist:
    """A synthesizer that writes down what it should say."""

    def synthesize(self, text: str, language: str, voice: str | None) -> bytes:
        """Write."""
        return f"{text} {language} {voice}".encode()


def test_stage(tmp_path: Path) -> None:
    """A spoken translation leaves speech.wav, and says that the job is done."""
    store = ArtifactStore(tmp_path.as_uri())
    translation = Translation(text="hola", source_language="en", target_language="es")
    store.write("j/translation.json", translation.model_dump_json().encode())
    request = SynthesizeRequest(job_id="j", translation="j/translation.json", language="es", voice="es+f3")
    delivery = Delivery(
        body=request.outgoing("synthesize").body, routing_key="synthesize", queue="synthesize"
    )
    [outgoing] = worker.handler(SynthesisStage(Typist()), store)(delivery)
    assert store.read("j/speech.wav") == b"hola es es+f3"
    assert (outgoing.exchange, outgoing.routing_key, json.loads(outgoing.body)) == (
        "speech",
        "events",
        {
            "version": 1,
            "job_id": "j",
            "outcome": "completed",
            "stage": "synthesis",
            "reason": None,
            "detail": None,
        },
    )
