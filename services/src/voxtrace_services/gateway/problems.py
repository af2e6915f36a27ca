"""What the gateway answers when it cannot do as asked: problem details after RFC 9457."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from voxtrace_services.core.artifacts import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kind of problem: its stable `code`, its HTTP status and its title."""

    code: str
    status: int
    title: str


MALFORMED_REQUEST = Problem(code="malformed_request", status=400, title="The request cannot be read")
UPLOAD_INTERRUPTED = Problem(code="upload_interrupted", status=400, title="The upload broke off")
PROFILING_FORBIDDEN = Problem(code="profiling_forbidden", status=403, title="Profiles are not for everybody")
FAULTS_OFF = Problem(code="faults_off", status=403, title="Faults cannot be switched on here")
UNKNOWN_PROFILE = Problem(code="unknown_profile", status=404, title="There is no such profile")
UNKNOWN_FAULT = Problem(code="unknown_fault", status=404, title="There is no such fault")
PROFILING_BUSY = Problem(code="profiling_busy", status=409, title="Another request is being profiled")
UNKNOWN_UPLOAD = Problem(code="unknown_upload", status=404, title="There is no such upload")
RESULT_NOT_READY = Problem(code="result_not_ready", status=404, title="This result does not exist yet")
RESULT_UNAVAILABLE = Problem(code="result_unavailable", status=404, title="There is no such result")
UPLOAD_TIMEOUT = Problem(code="upload_timeout", status=408, title="The upload took too long")
UPLOAD_TOO_LARGE = Problem(code="upload_too_large", status=413, title="The upload is too large")
UNSUPPORTED_MEDIA = Problem(
    code="unsupported_media", status=415, title="This is not audio that can be transcribed"
)
MISSING_AUDIO = Problem(code="missing_audio", status=422, title="The audio is missing")
EMPTY_FILE = Problem(code="empty_file", status=422, title="The file is empty")
EMPTY_AUDIO = Problem(code="empty_audio", status=422, title="The file holds no sound")
AUDIO_TOO_LONG = Problem(code="audio_too_long", status=422, title="The audio is too long")
UNSUPPORTED_LANGUAGE = Problem(code="unsupported_language", status=422, title="This language is not offered")
INVALID_FIELD = Problem(code="invalid_field", status=422, title="A field has a value that cannot be used")
INTERNAL_ERROR = Problem(code="internal_error", status=500, title="The gateway failed")
ARTIFACTS_UNAVAILABLE = Problem(
    code="artifacts_unavailable", status=503, title="The artifact store cannot be read or written"
)
SPOOL_UNAVAILABLE = Problem(
    code="spool_unavailable", status=503, title="The gateway has no room to receive the upload"
)
DATABASE_UNAVAILABLE = Problem(
    code="database_unavailable", status=503, title="The job database cannot be reached"
)

#: What is out of order comes back by itself or is mended by hand: soon enough to ask again, not to hammer.
RETRY = {"Retry-After": "5"}


class ProblemError(Exception):
    """Ends a request with a problem; `detail` tells the client what to do and quotes no content."""

    def __init__(self, problem: Problem, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        """
        Answer with `problem`.

        Args:
            problem: What kind of problem this is.
            detail: One or two sentences: what was wrong here, and what to do.
            headers: Headers to add to the response.
        """
        super().__init__(f"{problem.code}: {detail}")
        self.problem = problem
        self.detail = detail
        self.headers = headers


class ProblemResponse(JSONResponse):
    """A problem details document."""

    media_type = MEDIA_TYPE


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem, its framework's own errors too."""
    app.add_exception_handler(ProblemError, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(ArtifactError, _answer_artifacts)
    app.add_exception_handler(OperationalError, _answer_database)
    app.add_exception_handler(PoolTimeoutError, _answer_database)
    app.add_exception_handler(Exception, _answer_unexpected)


def response(problem: Problem, detail: str, *, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    """The response that states `problem`."""
    content: dict[str, Any] = {
        "type": f"urn:voxtrace:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "code": problem.code,
    }
    return ProblemResponse(content, status_code=problem.status, headers=dict(headers or {}))


async def _answer_problem(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, ProblemError)  # noqa: S101  registered for this class alone; narrows the type
    return response(error.problem, error.detail, headers=error.headers)


async def _answer_http(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class alone; narrows the type
    status = HTTPStatus(error.status_code)
    problem = Problem(code=status.name.lower(), status=status, title=status.phrase)
    return response(problem, f"{status.description or status.phrase}.", headers=error.headers)


async def _answer_validation(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class alone; narrows the type
    # The messages name fields and limits; the values, which are content, are left out.
    found = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return response(INVALID_FIELD, f"Correct these and send again: {found}.")


async def _answer_artifacts(_request: Request, _error: Exception) -> ProblemResponse:
    _log.error("artifact store unavailable", exc_info=_error)
    detail = (
        "Nothing was kept. Send the request again later; the operator should look at VOXTRACE_ARTIFACTS_URL."
    )
    return response(ARTIFACTS_UNAVAILABLE, detail, headers=RETRY)


async def _answer_database(_request: Request, _error: Exception) -> ProblemResponse:
    _log.error("job database unavailable", exc_info=_error)
    detail = "Send the request again later; the operator should look at VOXTRACE_DATABASE_URL."
    return response(DATABASE_UNAVAILABLE, detail, headers=RETRY)


async def _answer_unexpected(_request: Request, _error: Exception) -> ProblemResponse:
    # The server logs the exception itself: it is raised again after this answer.
    detail = "Send the request again; if it fails again, give the operator the time and the trace id."
    return response(INTERNAL_ERROR, detail)
