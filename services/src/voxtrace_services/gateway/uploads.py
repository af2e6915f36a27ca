"""The routes under /v1/uploads."""

import logging
import os
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

import voxtrace.context
from voxtrace import stages
from voxtrace_services.core.artifacts import ArtifactMissingError, ArtifactStore
from voxtrace_services.core.results import AUDIO, artifact
from voxtrace_services.gateway import media, problems
from voxtrace_services.gateway.intake import Upload, received
from voxtrace_services.gateway.jobs import IdempotencyKeyTakenError, Job, Jobs, UnknownJobError
from voxtrace_services.gateway.problems import ProblemError
from voxtrace_services.gateway.profiling import ProfiledRoute
from voxtrace_services.gateway.relay import Relay
from voxtrace_services.gateway.resources import (
    PATH,
    RESULTS,
    Accepted,
    Result,
    UploadList,
    UploadStatus,
    UploadSummary,
    upload_url,
)

_log = logging.getLogger(__name__)

_MEDIA_TYPES: dict[Result, str] = {
    "transcript": "application/json",
    "translation": "application/json",
    "speech": "audio/wav",
}

#: The form is read by hand, to stop at the limit: so its description is written by hand too.
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["audio"],
                    "properties": {
                        "audio": {"type": "string", "format": "binary", "description": "English speech."},
                        "target_language": {"type": "string"},
                        "voice": {"type": "string"},
                    },
                }
            }
        },
    }
}


class Uploads:
    """The uploads as a resource; its handlers block, so the framework runs them in its threads."""

    def __init__(self, *, jobs: Jobs, store: ArtifactStore, relay: Relay, max_audio_seconds: float) -> None:
        self._jobs = jobs
        self._store = store
        self._relay = relay
        self._max_audio_seconds = max_audio_seconds

    @property
    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PATH, tags=["uploads"], route_class=ProfiledRoute)
        router.add_api_route("", self.accept, methods=["POST"], status_code=202, openapi_extra=_FORM)
        router.add_api_route("", self.recent, methods=["GET"])
        router.add_api_route("/{upload_id}", self.status, methods=["GET"])
        router.add_api_route("/{upload_id}/transcript", self.transcript, methods=["GET"])
        router.add_api_route("/{upload_id}/translation", self.translation, methods=["GET"])
        router.add_api_route("/{upload_id}/speech", self.speech, methods=["GET"])
        return router

    def accept(self, upload: Annotated[Upload, Depends(received)], response: Response) -> Accepted:
        """Take an upload: transcribe it, translate the transcript and speak the translation."""
        job = self._known(upload.idempotency_key) or self._add(upload)
        response.headers["Location"] = upload_url(job)
        return Accepted.of(job)

    def recent(self, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> UploadList:
        """The newest uploads."""
        return UploadList(uploads=[UploadSummary.of(job) for job in self._jobs.recent(limit)])

    def status(self, upload_id: str) -> UploadStatus:
        """How an upload fares."""
        return UploadStatus.of(self._job(upload_id), exists=self._store.exists)

    def transcript(self, upload_id: str) -> Response:
        """What was said, with its segments."""
        return self._result(upload_id, "transcript")

    def translation(self, upload_id: str) -> Response:
        """What was said, in the target language."""
        return self._result(upload_id, "translation")

    def speech(self, upload_id: str) -> Response:
        """The translation, spoken."""
        return self._result(upload_id, "speech")

    def _known(self, idempotency_key: str | None) -> Job | None:
        return None if idempotency_key is None else self._jobs.find(idempotency_key)

    def _add(self, upload: Upload) -> Job:
        audio = media.examine(upload.audio, max_seconds=self._max_audio_seconds)
        size = upload.audio.seek(0, os.SEEK_END)
        stages.upload(audio_seconds=audio.duration, size=size, container=audio.format)
        job = Job(
            id=str(uuid.uuid4()),
            created_at=datetime.now(UTC),
            audio_duration=audio.duration,
            target_language=upload.target_language,
            voice=upload.voice,
            idempotency_key=upload.idempotency_key,
            trace_id=voxtrace.context.trace_id(),
            context=voxtrace.context.capture(),
        )
        try:
            with self._jobs.adding(job):
                upload.audio.seek(0)
                self._store.write(artifact(job.id, AUDIO), upload.audio)
        except IdempotencyKeyTakenError:
            # A request with the same key overtook this one since the look above.
            known = self._known(upload.idempotency_key)
            if known is None:
                raise
            return known
        self._relay.wake()
        _log.info("upload accepted", extra={"job_id": job.id, "audio_seconds": round(audio.duration, 3)})
        return job

    def _job(self, upload_id: str) -> Job:
        try:
            # Only what can be an id reaches the database.
            return self._jobs.get(str(uuid.UUID(upload_id)))
        except (ValueError, UnknownJobError) as error:
            detail = "Use the id or the status_url from the answer to POST /v1/uploads."
            raise ProblemError(problems.UNKNOWN_UPLOAD, detail) from error

    def _result(self, upload_id: str, name: Result) -> Response:
        job = self._job(upload_id)
        leaf = next(leaf for result, leaf in RESULTS.values() if result == name)
        try:
            content = self._store.read(artifact(job.id, leaf))
        except ArtifactMissingError as error:
            if job.outcome is None:
                detail = f"Ask {upload_url(job)} until results.{name} is there, and then again."
                raise ProblemError(problems.RESULT_NOT_READY, detail) from error
            detail = f"The upload is {job.outcome} and has no {name}; {upload_url(job)} says more."
            raise ProblemError(problems.RESULT_UNAVAILABLE, detail) from error
        return Response(content, media_type=_MEDIA_TYPES[name], headers={"X-Content-Type-Options": "nosniff"})
