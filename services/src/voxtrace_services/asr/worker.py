"""The asr service: from the upload's audio to its transcript."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from voxtrace_services.asr import engine
from voxtrace_services.core import worker
from voxtrace_services.core.messages import TranscribeRequest, TranslateRequest
from voxtrace_services.core.results import TRANSCRIPT, Transcript, artifact
from voxtrace_services.core.topology import TRANSCRIBE, TRANSLATE

if TYPE_CHECKING:
    from voxtrace_services.core.artifacts import ArtifactStore
    from voxtrace_services.core.bootstrap import Runtime
    from voxtrace_services.core.broker import Outgoing


@dataclass(frozen=True)
class TranscriptionStage:
    """The stage that listens."""

    engine: engine.Transcriber

    queue: ClassVar[str] = TRANSCRIBE
    request: ClassVar[type[TranscribeRequest]] = TranscribeRequest
    result: ClassVar[str] = TRANSCRIPT

    def work(self, request: TranscribeRequest, store: ArtifactStore) -> bytes:
        """Transcribe the upload."""
        with store.open(request.audio) as audio:
            return self.engine.transcribe(audio).model_dump_json().encode()

    def follow(self, request: TranscribeRequest, result: bytes) -> Outgoing:
        """Ask for the translation."""
        return TranslateRequest(
            job_id=request.job_id,
            transcript=artifact(request.job_id, TRANSCRIPT),
            source_language=Transcript.model_validate_json(result).language,
            target_language=request.target_language,
            voice=request.voice,
        ).outgoing(TRANSLATE)


def main(runtime: Runtime) -> None:
    """Run the service."""
    worker.serve(runtime, lambda settings: TranscriptionStage(engine.load(settings)))
