"""What the stages leave in the artifact store, and under which names."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

AUDIO = "audio"
TRANSCRIPT = "transcript.json"
TRANSLATION = "translation.json"
SPEECH = "speech.wav"


def artifact(job_id: str, leaf: str) -> str:
    """The name of a job's artifact."""
    return f"{job_id}/{leaf}"


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Segment(_Result):
    """A stretch of speech; times in seconds from the start of the audio."""

    start: float
    end: float
    text: str


class Transcript(_Result):
    """What was said, in which language; `language_probability` is None when nothing was detected."""

    text: str
    language: str
    language_probability: float | None
    duration: float
    segments: tuple[Segment, ...]


class Translation(_Result):
    """What was said, in the target language."""

    text: str
    source_language: str
    target_language: str
