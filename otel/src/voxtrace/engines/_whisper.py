"""A transcription by Whisper: windows, attempts, and what its segments add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from voxtrace import semconv
from voxtrace.stages.stage import Stage
from voxtrace.stages.transcription import Transcription, confidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.instruments import Instruments

AUDIO_LOAD: Final = Stage("speech.audio.load", "audio_load")
VAD: Final = Stage("speech.vad", "vad")
FEATURES: Final = Stage("speech.asr.features", "feature_extraction")
DETECT_LANGUAGE: Final = Stage("speech.asr.detect_language", "language_detection")
ENCODE: Final = Stage("speech.asr.encode", "encode", windowed=True)
DECODE: Final = Stage("speech.asr.decode", "decode", windowed=True)
ALIGN: Final = Stage("speech.asr.align", "align", windowed=True)

#: What the span of a transcription says of all its windows: how often a stage ran, and for how long.
_TOTALS: Final = {
    ENCODE: (semconv.SPEECH_ASR_ENCODE_COUNT, semconv.SPEECH_ASR_ENCODE_DURATION),
    DECODE: (semconv.SPEECH_ASR_DECODE_COUNT, semconv.SPEECH_ASR_DECODE_DURATION),
    ALIGN: (semconv.SPEECH_ASR_ALIGN_COUNT, semconv.SPEECH_ASR_ALIGN_DURATION),
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
        model: str | None,
        language: str | None,
        attributes: Mapping[str, AttributeValue],
        window_spans: int = WINDOW_SPANS,
    ) -> None:
        super().__init__(
            instruments, provider=provider, model=model, language=language, attributes=attributes
        )
        self.windows = 0
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
        # A window is closed once it is decoded; its words are aligned after that.
        return self.windows - (stage is ALIGN) < self._window_spans

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
