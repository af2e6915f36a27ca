"""What the gateway says of an upload: the shapes of its JSON."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from voxtrace_services.core.messages import Stage
from voxtrace_services.core.results import SPEECH, TRANSCRIPT, TRANSLATION, artifact
from voxtrace_services.gateway.jobs import Job

State = Literal["queued", "running", "completed", "failed"]
StageState = Literal["pending", "done", "failed"]
Result = Literal["transcript", "translation", "speech"]

PATH = "/v1/uploads"

#: The artifact that each stage leaves behind, and the result it is offered as.
RESULTS: dict[Stage, tuple[Result, str]] = {
    "transcription": ("transcript", TRANSCRIPT),
    "translation": ("translation", TRANSLATION),
    "synthesis": ("speech", SPEECH),
}


def upload_url(job: Job) -> str:
    """Where an upload is found; relative, for the host that a client names is not to be trusted."""
    return f"{PATH}/{job.id}"


class Index(BaseModel):
    """The way from the root to everything else."""

    service: str
    version: str
    openapi: str
    uploads: str
    health: str


class Accepted(BaseModel):
    """The answer to an upload: where to ask for it, and the trace to follow it in."""

    id: str
    status_url: str
    trace_id: str | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """The answer for `job`."""
        return cls(id=job.id, status_url=upload_url(job), trace_id=job.trace_id)


class Stages(BaseModel):
    """How far each stage is."""

    transcription: StageState
    translation: StageState
    synthesis: StageState


class Results(BaseModel):
    """Where each result is, once it is there."""

    transcript: str | None
    translation: str | None
    speech: str | None


class Failure(BaseModel):
    """Why a job failed: the stage, a stable code, and a sentence."""

    stage: Stage | None
    reason: str | None
    detail: str | None


class UploadStatus(BaseModel):
    """One upload, as it stands now."""

    id: str
    state: State
    stages: Stages
    created_at: datetime
    finished_at: datetime | None
    audio_duration: float
    target_language: str
    voice: str | None
    failure: Failure | None
    results: Results
    trace_id: str | None

    @classmethod
    def of(cls, job: Job, *, exists: Callable[[str], bool]) -> Self:
        """
        Describe `job`.

        Args:
            job: The upload's row.
            exists: Whether there is an artifact of this name: what a stage has done is what it left.
        """
        done = {stage: exists(artifact(job.id, leaf)) for stage, (_, leaf) in RESULTS.items()}
        return cls(
            id=job.id,
            state=_state(job),
            stages=Stages.model_validate({stage: _stage(job, stage, done=done[stage]) for stage in RESULTS}),
            created_at=job.created_at,
            finished_at=job.finished_at,
            audio_duration=job.audio_duration,
            target_language=job.target_language,
            voice=job.voice,
            failure=_failure(job),
            results=Results.model_validate(
                {
                    name: f"{upload_url(job)}/{name}" if done[stage] else None
                    for stage, (name, _) in RESULTS.items()
                }
            ),
            trace_id=job.trace_id,
        )


class UploadSummary(BaseModel):
    """One upload in a list."""

    id: str
    state: State
    status_url: str
    created_at: datetime
    trace_id: str | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """The entry for `job`."""
        return cls(
            id=job.id,
            state=_state(job),
            status_url=upload_url(job),
            created_at=job.created_at,
            trace_id=job.trace_id,
        )


class UploadList(BaseModel):
    """The newest uploads, newest first."""

    uploads: list[UploadSummary]


def _state(job: Job) -> State:
    if job.outcome is not None:
        return job.outcome
    return "queued" if job.sent_at is None else "running"


def _stage(job: Job, stage: Stage, *, done: bool) -> StageState:
    if job.failed_stage == stage:
        return "failed"
    return "done" if done else "pending"


def _failure(job: Job) -> Failure | None:
    if job.outcome != "failed":
        return None
    return Failure(stage=job.failed_stage, reason=job.failure_reason, detail=job.failure_detail)
