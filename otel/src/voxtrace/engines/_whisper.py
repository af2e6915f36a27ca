"""A transcription by Whisper: windows, attempts, and what its segments add up to."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.engines._instrumentor import suppressed
from voxtrace.engines._models import first_use, recall
from voxtrace.stages.operation import current_operation
from voxtrace.stages.stage import Stage
from voxtrace.stages.transcription import Transcription, confidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.util.types import AttributeValue

    from voxtrace.engines._instrumentor import Wrapper
    from voxtrace.stages.instruments import Instruments

AUDIO_LOAD: Final = Stage("speech.audio.load", "audio_load")
VAD: Final = Stage("speech.vad", "vad")
FEATURES: Final = Stage("speech.asr.features", "feature_extraction")
DETECT_LANGUAGE: Final = Stage("speech.asr.detect_language", "language_detection")
TOKENIZER: Final = Stage("speech.asr.tokenizer", "tokenizer")
ENCODE: Final = Stage("speech.asr.encode", "encode", windowed=True)
DECODE: Final = Stage("speech.asr.decode", "decode", windowed=True)
ALIGN: Final = Stage("speech.asr.align", "align", windowed=True)

#: What the span of a transcription says of all its windows: how often a stage ran, and for how long.
_TOTALS: Final = {
    ENCODE: (semconv.SPEECH_ASR_ENCODE_COUNT, semconv.SPEECH_ASR_ENCODE_DURATION),
    DECODE: (semconv.SPEECH_ASR_DECODE_COUNT, semconv.SPEECH_ASR_DECODE_DURATION),
    ALIGN: (semconv.SPEECH_ASR_ALIGN_COUNT, semconv.SPEECH_ASR_ALIGN_DURATION),
}
#: What a caller asks for, by the name of the argument.
_REQUEST: Final = {
    "task": semconv.SPEECH_ASR_TASK,
    "beam_size": semconv.SPEECH_ASR_BEAM_SIZE,
    "batch_size": semconv.SPEECH_ASR_BATCH_SIZE,
    "word_timestamps": semconv.SPEECH_ASR_WORD_TIMESTAMPS,
}
#: The rate that Whisper hears at, per second.
WHISPER_RATE: Final = 16000
#: Windows whose stages get spans of their own: some 15 minutes of audio.
WINDOW_SPANS: Final = 32
#: How sure Whisper is of a segment, in the order that `confidence` takes it.
_CONFIDENCE: Final = ("avg_logprob", "no_speech_prob", "compression_ratio")
#: Keeps a segment without length from weighing nothing at all.
_SHORTEST_SEGMENT: Final = 0.01


class WhisperTranscription(Transcription):
    """The `speech_to_text` span of one call, however lazily its segments are read."""

    def __init__(
        self,
        instruments: Instruments,
        *,
        provider: str,
        model: object,
        request: Mapping[str, Any],
        window_spans: int = WINDOW_SPANS,
    ) -> None:
        """
        Start the span.

        Args:
            instruments: What to trace and measure with.
            provider: The engine.
            model: The loaded model.
            request: What the caller asks for, by Whisper's own names.
            window_spans: How many windows have spans.
        """
        language = request.get("language")
        cold = first_use(model)
        super().__init__(
            instruments,
            provider=provider,
            model=recall(model),
            language=language if isinstance(language, str) else None,
            attributes={
                **({} if cold is None else {semconv.SPEECH_ENGINE_COLD: cold}),
                **{
                    attribute: request[name]
                    for name, attribute in _REQUEST.items()
                    if isinstance(request.get(name), str | int)
                },
            },
        )
        self.windows = 0
        self._aligning = False
        self.attempt = 0
        self._window_spans = window_spans
        self._skipped = 0
        self._fallbacks = 0
        self._weight = 0.0
        self._weighted = dict.fromkeys(_CONFIDENCE, 0.0)

    def has_room_for(self, stage: Stage) -> bool:
        """Tell whether the stage belongs to one of the first windows."""
        if not stage.windowed:
            return self.total(stage).count < self._window_spans
        return self.window < self._window_spans

    @property
    def window(self) -> int:
        """The window at work, from 0; it is still at work while its words are aligned."""
        return self.windows - self._aligning

    @contextmanager
    def align(self) -> Iterator[None]:
        """Time the block as the alignment of the words of the window that was decoded last."""
        self._aligning = True
        try:
            with self.stage(ALIGN):
                yield
        finally:
            self._aligning = False

    def of_attempt(self, temperature: float) -> dict[str, AttributeValue]:
        """Count an attempt at a window, and return what its span says."""
        self.attempt += 1
        return {
            semconv.SPEECH_ASR_WINDOW_INDEX: self.window,
            semconv.SPEECH_ASR_ATTEMPT: self.attempt,
            semconv.SPEECH_ASR_TEMPERATURE: temperature,
        }

    def open_window(self) -> None:
        """Begin to decode a window (in a batch: several at once)."""
        self.attempt = 0

    def close_window(self, count: int = 1, *, skipped: bool = False) -> None:
        """Count what was decoded, and the attempts beyond the first that it took."""
        self.windows += count
        self._skipped += skipped
        self._fallbacks += max(self.attempt - 1, 0)

    def add(self, segment: Mapping[str, Any]) -> None:
        """Add a segment, by the names of Whisper's own fields, to the totals."""
        timed = segment.get("words")
        words = self.words
        self.hear(segment["text"], words=None if timed is None else len(timed))
        self.evidence.add(
            end=float(segment["end"]),
            compression_ratio=float(segment["compression_ratio"]),
            words=self.words - words,
        )
        # Word timestamps make these NumPy scalars, which exporters need not know.
        weight = max(float(segment["end"] - segment["start"]), _SHORTEST_SEGMENT)
        self._weight += weight
        for name in _CONFIDENCE:
            self._weighted[name] += float(segment[name]) * weight

    def _known(self) -> dict[str, Any]:
        return {
            "word_count": self.words,
            "avg_logprob": self._mean("avg_logprob"),
            "no_speech_probability": self._mean("no_speech_prob"),
            "window_count": self.windows,
            "fallback_count": self._fallbacks,
        }

    def _mean(self, name: str) -> float | None:
        return self._weighted[name] / self._weight if self._weight else None

    def _describe(self, *, complete: bool) -> None:
        super()._describe(complete=complete)
        found: dict[str, AttributeValue] = {
            semconv.SPEECH_ASR_WINDOW_COUNT: self.windows,
            semconv.SPEECH_ASR_WINDOW_SKIPPED: self._skipped,
            semconv.SPEECH_ASR_WINDOW_AGGREGATED: max(self.windows - self._window_spans, 0),
            semconv.SPEECH_ASR_FALLBACK_COUNT: self._fallbacks,
        }
        for stage, (count, duration) in _TOTALS.items():
            if stage in self.totals:
                found[count] = self.totals[stage].count
                found[duration] = self.totals[stage].seconds
        found |= confidence(*map(self._mean, _CONFIDENCE))
        self.span.set_attributes(found)


def current() -> WhisperTranscription | None:
    """Return the transcription at work here; outside of one, an engine function is left alone."""
    operation = current_operation()
    return operation if isinstance(operation, WhisperTranscription) and not suppressed() else None


def arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a function is about to be called with, by name; nothing if it cannot be called so."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return {}  # the engine is about to say so itself
    bound.apply_defaults()
    return bound.arguments


def staged(stage: Stage, note: Callable[[WhisperTranscription, Any], None] | None = None) -> Wrapper:
    """
    Make the wrapper that times a function as a stage of the current transcription.

    Args:
        stage: The stage.
        note: Learns what the function returned.
    """

    def wrapper(
        wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        transcription = current()
        if transcription is None:
            return wrapped(*args, **kwargs)
        attributes = {semconv.SPEECH_ASR_WINDOW_INDEX: transcription.window} if stage is ENCODE else None
        with transcription.stage(stage, attributes):
            result = wrapped(*args, **kwargs)
        if note is not None:
            with guarded(f"learn from the stage {stage.name}"):
                note(transcription, result)
        return result

    return wrapper


def is_silent(
    *,
    no_speech: float,
    avg_logprob: float,
    no_speech_threshold: float | None,
    logprob_threshold: float | None,
) -> bool:
    """Tell whether Whisper is going to drop a window; it does so without a word."""
    if no_speech_threshold is None or no_speech <= no_speech_threshold:
        return False
    return logprob_threshold is None or avg_logprob <= logprob_threshold
