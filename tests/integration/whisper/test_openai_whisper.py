"""The openai-whisper engine on PyTorch, with a tiny checkpoint of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import moonshine_voice
import pytest

from voxtrace_services.asr.engine import load
from voxtrace_services.asr.worker import TranscriptionStage
from voxtrace_services.core import worker
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.broker import Delivery, RejectedError
from voxtrace_services.core.messages import TranscribeRequest
from voxtrace_services.core.settings import Settings

pytestmark = [
    pytest.mark.whisper,
    # The model runs in half precision on a GPU only, and says so on every CPU.
    pytest.mark.filterwarnings("ignore:FP16 is not supported on CPU"),
    # whisper.tokenizer never closes its vocabulary.
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]

RECORDING = Path(moonshine_voice.__file__).parent / "assets" / "beckett.wav"


@pytest.fixture(scope="module", name="stage")
def _stage(checkpoint: Path) -> TranscriptionStage:
    """The stage as the service makes it."""
    return TranscriptionStage(load(Settings(asr_engine="openai-whisper", asr_model=str(checkpoint))))


def deliver(stage: TranscriptionStage, store: ArtifactStore, sound: bytes) -> list[object]:
    """Run one job through the worker's handler."""
    store.write("job/audio", sound)
    body = (
        TranscribeRequest(job_id="job", audio="job/audio", target_language="es").outgoing("transcribe").body
    )
    return list(
        worker.handler(stage, store)(Delivery(body=body, routing_key="transcribe", queue="transcribe"))
    )


def test_job(stage: TranscriptionStage, tmp_path: Path) -> None:
    """A real recording passes through the real code into a transcript and the next request."""
    store = ArtifactStore(tmp_path.as_uri())
    [outgoing] = deliver(stage, store, RECORDING.read_bytes())
    transcript = json.loads(store.read("job/transcript.json"))
    assert transcript["language"] == "en"
    assert transcript["language_probability"] is None
    assert 9.9 < transcript["duration"] < 10.1
    assert all(part["start"] <= part["end"] for part in transcript["segments"])
    assert json.loads(outgoing.body)["source_language"] == "en"


@pytest.mark.parametrize(
    "sound", [b"", b"this is no sound", RECORDING.read_bytes()[:44]], ids=["", "text", "header"]
)
def test_undecodable(stage: TranscriptionStage, tmp_path: Path, sound: bytes) -> None:
    """What holds no sound is rejected, not retried."""
    with pytest.raises(RejectedError) as caught:
        deliver(stage, ArtifactStore(tmp_path.as_uri()), sound)
    assert caught.value.reason == "audio_undecodable"
