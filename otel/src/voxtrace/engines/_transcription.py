"""A transcription as an operation: windows, attempts, and what its segments add up to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from voxtrace import semconv
from voxtrace._evaluation import announce
from voxtrace._guard import guarded
from voxtrace.engines._evidence import Evidence
from voxtrace.engines._operation import Operation, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AttributeValue

    from voxtrace.engines._instruments import Instruments

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
#: Windows whose stages get spans of their own: some 15 minutes of audio.
WINDOW_SPANS: Final = 32
#: Keeps a segment without length from weighing nothing at all.
_SHORTEST_SEGMENT: Final = 0.01


class Transcription(Operation):
    """The `speech_to_text` span of one call, however lazily its segments are read."""

    def __init__(
        self,
        instruments: Instruments,
        *,
        provider: str,
        model: str | None,
        attributes: Mapping[str, AttributeValue],
        window_spans: int = WINDOW_SPANS,
    ) -> None:
        super().__init__(
            instruments,
            operation=semconv.GEN_AI_OPERATION_NAME_SPEECH_TO_TEXT,
            provider=provider,
            model=model,
            attributes={semconv.GEN_AI_OUTPUT_TYPE: "text", **attributes},
        )
        self.evidence = Evidence(instruments.thresholds)
        self.windows = 0
        self.attempt = 0
        self._window_spans = window_spans
        self._skipped = 0
        self._fallbacks = 0
        self._segments = 0
        self._words = 0
        self._characters = 0
        self._weight = 0.0
        self._weighted: dict[str, float] = {}

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

    def add(self, segment: Any) -> None:
        """Add a segment to the totals; nothing of its text is kept."""
        text: str = segment.text
        words = len(segment.words) if segment.words is not None else len(text.split())
        self._segments += 1
        self._characters += len(text.strip())
        self._words += words
        self.evidence.add(segment, words)
        # Word timestamps make these NumPy scalars, which exporters need not know.
        weight = max(float(segment.end - segment.start), _SHORTEST_SEGMENT)
        self._weight += weight
        for name, value in (
            (semconv.SPEECH_ASR_AVG_LOGPROB, segment.avg_logprob),
            (semconv.SPEECH_ASR_NO_SPEECH_PROBABILITY, segment.no_speech_prob),
            (semconv.SPEECH_ASR_COMPRESSION_RATIO, segment.compression_ratio),
        ):
            self._weighted[name] = self._weighted.get(name, 0.0) + float(value) * weight

    def finish(self, error: BaseException | None = None) -> None:
        """End the span as ever, judged; what was given up is judged by its audio alone."""
        if not self.ended:
            with guarded("judge a transcription"):
                self._judge(complete=error is None)
        super().finish(error)

    def _judge(self, *, complete: bool) -> None:
        verdicts = self.evidence.of_audio()
        if complete:
            verdicts += self.evidence.of_transcript(
                word_count=self._words,
                avg_logprob=self._mean(semconv.SPEECH_ASR_AVG_LOGPROB),
                no_speech_probability=self._mean(semconv.SPEECH_ASR_NO_SPEECH_PROBABILITY),
                window_count=self.windows,
                fallback_count=self._fallbacks,
            )
        announce(
            verdicts,
            span=self.span,
            counter=self.instruments.quality_flags,
            labels=self.labels,
            context=trace.set_span_in_context(self.span),
        )

    def _mean(self, name: str) -> float | None:
        return self._weighted[name] / self._weight if name in self._weighted else None

    def _describe(self, *, complete: bool) -> None:
        super()._describe(complete=complete)
        found: dict[str, AttributeValue] = {
            semconv.SPEECH_ASR_SEGMENT_COUNT: self._segments,
            semconv.SPEECH_ASR_WINDOW_COUNT: self.windows,
            semconv.SPEECH_ASR_WINDOW_SKIPPED: self._skipped,
            semconv.SPEECH_ASR_WINDOW_AGGREGATED: max(self.windows - self._window_spans, 0),
            semconv.SPEECH_ASR_FALLBACK_COUNT: self._fallbacks,
            semconv.SPEECH_ASR_WORD_COUNT: self._words,
            semconv.SPEECH_ASR_CHARACTER_COUNT: self._characters,
        }
        for stage, (count, duration) in _TOTALS.items():
            if stage in self.totals:
                found[count] = self.totals[stage].count
                found[duration] = self.totals[stage].seconds
        for name, value in self._weighted.items():
            found[name] = value / self._weight
        if semconv.SPEECH_ASR_AVG_LOGPROB in found:
            found[semconv.SPEECH_ASR_CONFIDENCE] = math.exp(
                self._weighted[semconv.SPEECH_ASR_AVG_LOGPROB] / self._weight
            )
        self.span.set_attributes(found)
