"""Receiving one multipart upload: counted, timed, and spooled to a nameless file on disk."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import IO, Annotated

from fastapi import Header, Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from voxtrace_services.core.messages import Voice
from voxtrace_services.gateway import problems
from voxtrace_services.gateway.problems import ProblemError
from voxtrace_services.gateway.settings import GatewaySettings

#: What the multipart form may add to the audio: boundaries, headers and two short fields.
ENVELOPE_BYTES = 16 * 1024
_MAX_FIELD_BYTES = 1024
_MAX_KEY_LENGTH = 255

# Without this the server would read on to keep the connection, and drop what it read.
_CLOSE = {"Connection": "close"}

_voice = TypeAdapter[str](Voice)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A received upload: its audio as an open file without a name, and what to do with it."""

    audio: IO[bytes]
    target_language: str
    voice: str | None
    idempotency_key: str | None


async def received(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(description="Sent again, it names the same upload; up to 255 printable characters."),
    ] = None,
) -> AsyncIterator[Upload]:
    """Receive the form of `request`, or raise the ProblemError that says what is wrong with it."""
    settings: GatewaySettings = request.app.state.settings
    if idempotency_key is not None and not (
        0 < len(idempotency_key) <= _MAX_KEY_LENGTH
        and idempotency_key.isprintable()
        and idempotency_key.isascii()
    ):
        detail = (
            f"Make the Idempotency-Key 1 to {_MAX_KEY_LENGTH} printable ASCII characters, such as a UUID."
        )
        raise ProblemError(problems.INVALID_FIELD, detail, headers=_CLOSE)
    form = await _form(request, settings)
    try:
        yield Upload(
            audio=_audio(form, settings),
            target_language=_target(form, settings),
            voice=_voice_name(form),
            idempotency_key=idempotency_key,
        )
    finally:
        await form.close()


async def _form(request: Request, settings: GatewaySettings) -> FormData:
    try:
        async with asyncio.timeout(settings.upload_timeout_seconds):
            # A second Request over a counting receive: the parser then reads no byte beyond the limit.
            counted = Request(request.scope, _counted(request, settings))
            return await counted.form(max_files=1, max_fields=4, max_part_size=_MAX_FIELD_BYTES)
    except TimeoutError as error:
        detail = (
            f"Send the whole upload within {settings.upload_timeout_seconds:g} s, or send a smaller file."
        )
        raise ProblemError(problems.UPLOAD_TIMEOUT, detail, headers=_CLOSE) from error
    except HTTPException as error:
        detail = (
            "Send multipart/form-data with one file part 'audio' and the fields target_language and voice."
        )
        raise ProblemError(problems.MALFORMED_REQUEST, detail, headers=_CLOSE) from error
    except OSError as error:
        detail = (
            "Send the upload again later; the operator should look at the disk that holds temporary files."
        )
        raise ProblemError(
            problems.SPOOL_UNAVAILABLE, detail, headers={**_CLOSE, **problems.RETRY}
        ) from error
    except ClientDisconnect as error:
        raise ProblemError(problems.UPLOAD_INTERRUPTED, "Send the upload again.") from error


def _counted(request: Request, settings: GatewaySettings) -> Callable[[], Awaitable[Message]]:
    """Receive as `request` does, but refuse the first byte that is too many, announced or not."""
    limit = settings.max_upload_bytes + ENVELOPE_BYTES
    announced = request.headers.get("content-length", "")
    total = 0

    async def receive() -> Message:
        nonlocal total
        if announced.isdecimal() and int(announced) > limit:
            raise _too_large(settings)
        message = await request.receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise _too_large(settings)
        return message

    return receive


def _too_large(settings: GatewaySettings) -> ProblemError:
    detail = (
        f"At most {settings.max_upload_bytes} bytes are accepted. Compress the audio or cut it into parts."
    )
    return ProblemError(problems.UPLOAD_TOO_LARGE, detail, headers=_CLOSE)


def _audio(form: FormData, settings: GatewaySettings) -> IO[bytes]:
    part = form.get("audio")
    if not isinstance(part, UploadFile):
        detail = "Send multipart/form-data with a file part named 'audio', with a file name."
        raise ProblemError(problems.MISSING_AUDIO, detail)
    if (part.size or 0) > settings.max_upload_bytes:
        raise _too_large(settings)
    return part.file


def _target(form: FormData, settings: GatewaySettings) -> str:
    value = form.get("target_language") or settings.supported_targets[0]
    if value not in settings.supported_targets:
        detail = f"The field target_language must be one of: {', '.join(settings.supported_targets)}."
        raise ProblemError(problems.UNSUPPORTED_LANGUAGE, detail)
    return str(value)


def _voice_name(form: FormData) -> str | None:
    value = form.get("voice") or None
    try:
        return None if value is None else _voice.validate_python(value)
    except ValidationError as error:
        detail = "The field voice must be a voice's name: up to 64 letters, digits and _ + / - characters."
        raise ProblemError(problems.INVALID_FIELD, detail) from error
