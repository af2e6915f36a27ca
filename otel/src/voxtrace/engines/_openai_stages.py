"""
The stages of openai-whisper, as its modules call them.

The encoder runs once to tell the language, again for every attempt at a window,
and again to align its words; its spans stand inside those.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.engines._whisper import (
    ALIGN,
    DECODE,
    DETECT_LANGUAGE,
    ENCODE,
    FEATURES,
    WHISPER_RATE,
    WhisperTranscription,
    current,
    is_silent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.util.types import AttributeValue

    from voxtrace.engines._gpu import GpuClock
    from voxtrace.stages.stage import Stage

#: What a GPU did, told apart from how long it took to tell it.
_GPU_TOTALS: Final = {
    ENCODE: semconv.SPEECH_ASR_ENCODE_GPU_DURATION,
    DECODE: semconv.SPEECH_ASR_DECODE_GPU_DURATION,
    ALIGN: semconv.SPEECH_ASR_ALIGN_GPU_DURATION,
}


class OpenAITranscription(WhisperTranscription):
    """One call of `transcribe`: what it decodes anew is a window, what it decodes again an attempt."""

    def __init__(self, *args: Any, request: Mapping[str, Any], clock: GpuClock | None, **kwargs: Any) -> None:
        super().__init__(*args, request=request, **kwargs)
        self._clock = clock
        self._no_speech_threshold: float | None = request.get("no_speech_threshold")
        self._logprob_threshold: float | None = request.get("logprob_threshold")
        self._mel: object = None
        self._outcome: tuple[float, float] | None = None

    def begin_attempt(self, mel: object, temperature: float) -> dict[str, AttributeValue]:
        """Begin an attempt at a window, by the very spectrogram that is passed; return what its span says."""
        if mel is not self._mel:
            self.settle()
            self._mel = mel
            self.open_window()
        return self.of_attempt(temperature)

    def end_attempt(self, outcome: Any) -> None:
        """Keep how sure the engine was of an attempt: the last one counts."""
        self._outcome = outcome.no_speech_prob, outcome.avg_logprob

    def settle(self) -> None:
        """Count the window that was decoded last: the engine's loop has left it."""
        outcome, self._outcome, self._mel = self._outcome, None, None
        if outcome is not None:
            self.close_window(
                skipped=is_silent(
                    no_speech=outcome[0],
                    avg_logprob=outcome[1],
                    no_speech_threshold=self._no_speech_threshold,
                    logprob_threshold=self._logprob_threshold,
                )
            )

    def on_gpu(self, stage: Stage) -> AbstractContextManager[None]:
        """Time the block on the GPU, if the model is on one."""
        return nullcontext() if self._clock is None else self._clock.timing(stage)

    def _describe(self, *, complete: bool) -> None:
        self.settle()
        super()._describe(complete=complete)
        if self._clock is not None and complete:
            seconds = self._clock.seconds()
            self.span.set_attributes(
                {name: seconds[stage] for stage, name in _GPU_TOTALS.items() if stage in seconds}
            )


def measure(transcription: WhisperTranscription, audio: Any) -> None:
    """Note how long the audio is, and once how it sounds, where it is given as samples."""
    with guarded("measure audio"):
        if hasattr(audio, "shape"):
            # A tensor may lie on a GPU: it is not fetched for this.
            heard = transcription.evidence.health is None and type(audio).__module__ == "numpy"
            transcription.audio(
                audio.shape[-1] / WHISPER_RATE, samples=audio if heard else None, sample_rate=WHISPER_RATE
            )


def features(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap `log_mel_spectrogram`, which loads the audio itself where it is given a path."""
    transcription = current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    measure(transcription, args[0] if args else kwargs.get("audio"))
    with transcription.stage(FEATURES):
        return wrapped(*args, **kwargs)


def detect_language(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap `detect_language`, of whose probabilities `transcribe` keeps nothing."""
    transcription = current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    with transcription.stage(DETECT_LANGUAGE):
        found = wrapped(*args, **kwargs)
    with guarded("read the outcome of detect_language"):
        probabilities = found[1]
        likeliest = max(probabilities, key=probabilities.get)
        transcription.detect(likeliest, float(probabilities[likeliest]))
    return found


def encode(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap the encoder's `forward`."""
    transcription = _current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    attributes = {semconv.SPEECH_ASR_WINDOW_INDEX: transcription.window}
    with transcription.stage(ENCODE, attributes), transcription.on_gpu(ENCODE):
        return wrapped(*args, **kwargs)


def decode(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap `Whisper.decode`: one attempt at a window, at one temperature."""
    transcription = _current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    attributes = None
    with guarded("count an attempt"):
        mel, options = args  # as `transcribe` passes them
        attributes = transcription.begin_attempt(mel, float(options.temperature))
    with transcription.stage(DECODE, attributes), transcription.on_gpu(DECODE):
        outcome = wrapped(*args, **kwargs)
    with guarded("count an attempt"):
        transcription.end_attempt(outcome)
    return outcome


def align(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap `add_word_timestamps`: once per window, after it is decoded."""
    transcription = _current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    with guarded("count a window"):
        transcription.settle()
    with transcription.align(), transcription.on_gpu(ALIGN):
        return wrapped(*args, **kwargs)


def _current() -> OpenAITranscription | None:
    transcription = current()
    return transcription if isinstance(transcription, OpenAITranscription) else None
