"""What the services say to each other: frozen, versioned, carrying references and never audio."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from voxtrace_services.core.broker import Outgoing

JobId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
ArtifactName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}/[a-z][a-z0-9_-]{0,31}(\.[a-z0-9]{1,8})?$"),
]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
# No dot and no leading slash or dash: a voice names a voice, never a file or an option.
Voice = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+/-]{0,63}$")]

Stage = Literal["transcription", "translation", "synthesis"]
Outcome = Literal["completed", "failed"]

#: The stage that each work queue feeds.
STAGES: dict[str, Stage] = {
    "transcribe": "transcription",
    "translate": "translation",
    "synthesize": "synthesis",
}


class Message(BaseModel):
    """A message of version 1; unknown fields are refused, so that a typo cannot pass for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    job_id: JobId

    def outgoing(self, routing_key: str) -> Outgoing:
        """This message as one to publish; the correlation id is the job id."""
        return Outgoing(
            routing_key=routing_key,
            body=self.model_dump_json().encode(),
            message_id=str(uuid.uuid4()),
            correlation_id=self.job_id,
            type=type(self).__name__,
        )


class TranscribeRequest(Message):
    """Transcribe the upload's audio."""

    audio: ArtifactName
    target_language: Language
    voice: Voice | None = None


class TranslateRequest(Message):
    """Translate a transcript."""

    transcript: ArtifactName
    source_language: Language
    target_language: Language
    voice: Voice | None = None


class SynthesizeRequest(Message):
    """Speak a translation."""

    translation: ArtifactName
    language: Language
    voice: Voice | None = None


class JobEvent(Message):
    """The end of a job: completed by the last stage, or failed in `stage` for `reason`."""

    outcome: Outcome
    stage: Stage
    reason: str | None = None
    detail: str | None = None
