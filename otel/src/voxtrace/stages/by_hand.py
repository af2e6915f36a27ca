"""The stages as a program of one's own begins them."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Final, Self

from opentelemetry import context as otel_context

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.stages import upload as uploads
from voxtrace.stages.instruments import Instruments
from voxtrace.stages.synthesis import Synthesis
from voxtrace.stages.transcription import Transcription
from voxtrace.stages.translation import Translation

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry.util.types import AttributeValue

_SCOPE: Final = "voxtrace.stages"


@functools.cache
def _instruments() -> Instruments:
    # The API's own stand-ins take the global providers, whenever these are set.
    return Instruments.create(_SCOPE)


def transcription(*, provider: str, model: str | None = None, language: str | None = None) -> Transcription:
    """
    Begin a transcription; use it by `with`.

    Args:
        provider: The engine, such as `my_whisper`.
        model: Its model.
        language: The language that was asked for, if one was.
    """
    return Transcription(_instruments(), provider=provider, model=model, language=language)


def translation(
    *,
    provider: str,
    model: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
) -> Translation:
    """
    Begin a translation; use it by `with`.

    Args:
        provider: The engine.
        model: Its model.
        source_language: From which language.
        target_language: Into which.
    """
    return Translation(
        _instruments(),
        provider=provider,
        model=model,
        source_language=source_language,
        target_language=target_language,
    )


def synthesis(
    *, provider: str, model: str | None = None, voice: str | None = None, language: str | None = None
) -> Synthesis:
    """
    Begin a synthesis; use it by `with`.

    Args:
        provider: The engine.
        model: Its model.
        voice: The voice that speaks.
        language: The language that it speaks.
    """
    return Synthesis(_instruments(), provider=provider, model=model, voice=voice, language=language)


def upload(
    *, audio_seconds: float | None = None, size: int | None = None, container: str | None = None
) -> None:
    """
    Say what was uploaded, on the span of the request and in the metrics.

    Args:
        audio_seconds: How long the audio is.
        size: How large the file is, in bytes.
        container: Its container, such as `wav`; never its name.
    """
    uploads.record(_instruments(), audio_seconds=audio_seconds, size=size, container=container)


def record_error(service: str, error: str | BaseException) -> None:
    """
    Count an error that no span shows.

    Args:
        service: The part of the program it happened in.
        error: The exception, or a type of your own; an exception's words are not kept.
    """
    with guarded("count an error"):
        kind = error if isinstance(error, str) else type(error).__qualname__
        told: dict[str, AttributeValue] = {semconv.SPEECH_COMPONENT_NAME: service, semconv.ERROR_TYPE: kind}
        _instruments().errors(1, told, otel_context.get_current())


class Timer:
    """
    Time a block: `with Timer() as timer: ...`, then `timer.seconds`.

    With the name of a stage the time is recorded in `speech.stage.duration` too.
    """

    def __init__(self, stage: str | None = None, *, provider: str | None = None) -> None:
        """
        Make a timer.

        Args:
            stage: The value of `speech.stage.name` to record under.
            provider: The engine that the stage is part of.
        """
        self.seconds = 0.0
        self._stage = stage
        self._provider = provider
        self._started = 0.0

    def __enter__(self) -> Self:
        """Begin."""
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, and record the time where a stage was named."""
        self.seconds = time.perf_counter() - self._started
        if self._stage is None:
            return
        with guarded("record a timer"):
            told: dict[str, AttributeValue] = {semconv.SPEECH_STAGE_NAME: self._stage}
            if self._provider:
                told[semconv.GEN_AI_PROVIDER_NAME] = self._provider
            if error is not None:
                told[semconv.ERROR_TYPE] = type(error).__qualname__
            _instruments().stage_duration(self.seconds, told, otel_context.get_current())
