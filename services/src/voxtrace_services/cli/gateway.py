"""A client of the gateway: send audio, follow the upload, fetch what came of it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from voxtrace_services.cli.connection import answering, connect
from voxtrace_services.cli.errors import ProblemError, UnreachableError, UploadFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import httpx

_POLL_SECONDS = 0.2
_SERVER_ERROR = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The gateway has taken an upload."""

    upload_id: str
    status_url: str
    trace_id: str | None
    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """How far an upload has come; `stages` maps each stage to pending, done or failed."""

    upload_id: str
    state: str
    stages: Mapping[str, str]
    trace_id: str | None
    audio_duration: float | None
    target_language: str
    failure: Mapping[str, Any] | None
    body: Mapping[str, Any]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read the gateway's answer."""
        return cls(
            upload_id=str(body["id"]),
            state=str(body["state"]),
            stages=body.get("stages") or {},
            trace_id=body.get("trace_id"),
            audio_duration=body.get("audio_duration"),
            target_language=str(body.get("target_language") or ""),
            failure=body.get("failure"),
            body=body,
        )

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {"completed", "failed"}

    def require_completed(self) -> None:
        """
        Check that the upload came through.

        Raises:
            UploadFailedError: with the stage and reason, when the pipeline gave it up.
        """
        if self.state == "failed":
            failure = self.failure or {}
            stage, reason = failure.get("stage") or "pipeline", failure.get("reason") or "unknown reason"
            detail = f": {failure['detail']}" if failure.get("detail") else ""
            raise UploadFailedError(
                f"The {stage} gave upload {self.upload_id} up ({reason}){detail}. "
                f"See: voxtrace trace {self.trace_id or self.upload_id}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Gateway:
    """The gateway at an address; every method may raise UnreachableError and ProblemError."""

    url: str

    def send(
        self, recording: Path, *, target_language: str | None = None, voice: str | None = None
    ) -> Receipt:
        """Upload an audio file; a repeated request cannot become a second upload."""
        fields = {"target_language": target_language, "voice": voice}
        with recording.open("rb") as audio, answering("gateway", self.url), connect(self.url) as client:
            answer = client.post(
                "/v1/uploads",
                data={name: value for name, value in fields.items() if value is not None},
                files={"audio": (recording.name, audio)},
                headers={"Idempotency-Key": str(uuid.uuid4())},
            )
        body = checked(answer, self.url)
        return Receipt(
            upload_id=str(body["id"]),
            status_url=str(body["status_url"]),
            trace_id=body.get("trace_id"),
            body=body,
        )

    def upload(self, upload_id: str) -> Upload:
        """Return how far an upload has come."""
        return Upload.from_json(checked(self._get(f"/v1/uploads/{upload_id}"), self.url))

    def recent(self, limit: int) -> tuple[Upload, ...]:
        """Return the newest uploads and their states, without what only `upload` tells."""
        uploads = checked(self._get(f"/v1/uploads?limit={limit}"), self.url)["uploads"]
        return tuple(Upload.from_json(body) for body in uploads)

    def follow(self, upload_id: str, *, seconds: float) -> Iterator[Upload]:
        """
        Yield how far an upload has come until it is finished, the end included.

        Raises:
            UploadFailedError: when it takes longer than that.
        """
        deadline = time.monotonic() + seconds
        while True:
            upload = self.upload(upload_id)
            yield upload
            if upload.finished:
                return
            if time.monotonic() > deadline:
                waiting = ", ".join(stage for stage, state in upload.stages.items() if state == "pending")
                raise UploadFailedError(
                    f"Upload {upload_id} is not finished after {seconds:.0f} s (pending: {waiting}). "
                    f"It goes on without us; see: voxtrace trace {upload_id}"
                )
            time.sleep(_POLL_SECONDS)

    def text(self, upload_id: str, result: str) -> str:
        """Return the text of a result: `transcript` or `translation`."""
        return str(checked(self._get(f"/v1/uploads/{upload_id}/{result}"), self.url)["text"])

    def speech(self, upload_id: str) -> bytes:
        """Return the spoken translation as a WAV file."""
        answer = self._get(f"/v1/uploads/{upload_id}/speech")
        if not answer.is_success:
            checked(answer, self.url)
        return answer.content

    def _get(self, path: str) -> httpx.Response:
        with answering("gateway", self.url), connect(self.url) as client:
            return client.get(path)


def checked(answer: httpx.Response, url: str) -> dict[str, Any]:
    """
    The JSON of an answer.

    Raises:
        UnreachableError: It is not a gateway's, or of one that failed.
        ProblemError: The gateway refuses.
    """
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_success and isinstance(body, dict):
        return body
    if isinstance(body, dict) and "code" in body:
        raise ProblemError(
            status=answer.status_code,
            code=str(body["code"]),
            detail=": ".join(filter(None, (body.get("title"), body.get("detail")))).rstrip("."),
        )
    if answer.status_code >= _SERVER_ERROR:
        raise UnreachableError(f"The gateway at {url} failed (HTTP {answer.status_code}): see its log.")
    raise UnreachableError(
        f"{url} does not answer like a gateway (HTTP {answer.status_code}): is the address right?"
    )
