"""What the services say to each other: frozen, versioned, carrying references and never audio."""

from __future__ import annotations

import json
import uuid
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from voxtrace_services.core.broker import Outgoing, RejectedError

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


Kind = TypeVar("Kind", bound=Message)


def decode(kind: type[Kind], body: bytes) -> Kind:
    """
    Read a message.

    Raises:
        RejectedError: `not_json`, `unknown_version` or `invalid_message`.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RejectedError("not_json", "the message is not JSON") from error
    if not isinstance(fields, dict):
        raise RejectedError("invalid_message", "the message is not a JSON object")
    if "version" in fields and fields["version"] != kind.model_fields["version"].default:
        raise RejectedError("unknown_version", "the message has a version this service does not know")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        wrong = sorted({str(item["loc"][0]) for item in error.errors(include_input=False) if item["loc"]})
        named = ", ".join(name for name in wrong if name in kind.model_fields) or "an unknown field"
        # Not `from error`: its text quotes the message.
        raise RejectedError("invalid_message", f"{kind.__name__} is wrong in {named}") from None
