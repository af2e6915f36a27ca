"""The asr worker as a process, with openai-whisper in it, on a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.services.workers import RECORDINGS, Site
from voxtrace_services.core.messages import TranscribeRequest
from voxtrace_services.native import RabbitMQ

pytestmark = pytest.mark.whisper


def test_a_job_from_queue_to_queue(rabbitmq: RabbitMQ, checkpoint: Path, tmp_path: Path) -> None:
    """A transcribe request on RabbitMQ becomes a transcript and a translate request."""
    site = Site(rabbitmq.url, tmp_path)
    with site.cleanup:
        site.start("asr", asr_engine="openai-whisper", asr_model=str(checkpoint))
        site.store.write("job/audio", (RECORDINGS / "clone-test.wav").read_bytes())
        site.send(
            TranscribeRequest(job_id="job", audio="job/audio", target_language="es").outgoing("transcribe")
        )
        _, body = site.take("translate", within=120)
        transcript = json.loads(site.store.read("job/transcript.json"))
    assert json.loads(body)["transcript"] == "job/transcript.json"
    assert 4.0 < transcript["duration"] < 4.2
