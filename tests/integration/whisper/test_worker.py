"""The asr worker as a process, with openai-whisper in it, on a real broker."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from integration.gateway.otlp import Receiver
from integration.services.workers import RECORDINGS, Site
from voxtrace_services.core.messages import TranscribeRequest
from voxtrace_services.native import RabbitMQ

pytestmark = pytest.mark.whisper


def test_a_job_from_queue_to_queue(rabbitmq: RabbitMQ, checkpoint: Path, tmp_path: Path) -> None:
    """A request becomes a transcript and a translate request, and its trace shows the engine's work."""
    with Receiver() as receiver:
        exporting = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        site = Site(rabbitmq.url, tmp_path, exporting)
        with site.cleanup:
            worker = site.start("asr", asr_engine="openai-whisper", asr_model=str(checkpoint))
            site.store.write("job/audio", (RECORDINGS / "clone-test.wav").read_bytes())
            site.send(
                TranscribeRequest(job_id="job", audio="job/audio", target_language="es").outgoing(
                    "transcribe"
                )
            )
            _, body = site.take("translate", within=120)
            transcript = json.loads(site.store.read("job/transcript.json"))
            worker.send(signal.SIGTERM)
            assert worker.wait() == 0
    assert json.loads(body)["transcript"] == "job/transcript.json"
    assert 4.0 < transcript["duration"] < 4.2
    assert "speech.model.load random" in {span.name for span in receiver.spans}
    named = {span.span_id: span.name for span in receiver.spans}
    tree = {(named.get(span.parent_span_id, ""), span.name) for span in receiver.spans}
    assert tree >= {
        ("process speech:transcribe", "speech.audio.load"),
        ("process speech:transcribe", "speech_to_text random"),
        ("speech_to_text random", "speech.asr.features"),
        ("speech_to_text random", "speech.asr.tokenizer"),
        ("speech_to_text random", "speech.asr.decode"),
        ("speech.asr.decode", "speech.asr.encode"),
    }
    assert str(checkpoint) not in str(receiver.spans)
