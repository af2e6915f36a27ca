"""The asr stage."""

from __future__ import annotations

import json
from pathlib import Path

from voxtrace_services.asr.engine import NullTranscriber
from voxtrace_services.asr.worker import TranscriptionStage
from voxtrace_services.core import worker
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.broker import Delivery
from voxtrace_services.core.messages import TranscribeRequest


def test_stage(tmp_path: Path) -> None:
    """A transcribed upload leaves transcript.json and asks for its translation from the language heard."""
    store = ArtifactStore(tmp_path.as_uri())
    store.write("j/audio", b"sound")
    request = TranscribeRequest(job_id="j", audio="j/audio", target_language="es", voice="es+f3")
    delivery = Delivery(
        body=request.outgoing("transcribe").body, routing_key="transcribe", queue="transcribe"
    )
    [outgoing] = worker.handler(TranscriptionStage(NullTranscriber(0)), store)(delivery)
    assert json.loads(store.read("j/transcript.json")) == {
        "text": "",
        "language": "en",
        "language_probability": None,
        "duration": 0.0,
        "segments": [],
    }
    assert (outgoing.exchange, outgoing.routing_key, json.loads(outgoing.body)) == (
        "speech",
        "translate",
        {
            "version": 1,
            "job_id": "j",
            "transcript": "j/transcript.json",
            "source_language": "en",
            "target_language": "es",
            "voice": "es+f3",
        },
    )
