"""What a transcription is judged by, gathered while its engine works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voxtrace._evaluation import audio_attributes, measured
from voxtrace.quality import Thresholds, Verdict, of_audio, of_transcript

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from voxtrace.audio import AudioHealth


@dataclass(slots=True)
class Evidence:
    """
    What is known so far.

    Attributes:
        thresholds: What it will be judged by.
        health: The audio's, as decoded.
        speech_duration: Speech that voice activity detection found, in s.
        speech_end: Where the last of it ends, in s.
        transcript_end: Where the last segment ends, in s.
        compression_ratio: That of the segment that repeats itself most.
        language: The language of the transcript.
        language_requested: The one that the caller named.
        is_language_detected: Whether the engine heard the language.
    """

    thresholds: Thresholds
    health: AudioHealth | None = None
    speech_duration: float | None = None
    speech_end: float | None = None
    transcript_end: float | None = None
    compression_ratio: float | None = None
    language: str | None = None
    language_requested: str | None = None
    is_language_detected: bool = False

    def hear(self, samples: Any, sample_rate: float) -> dict[str, AttributeValue]:
        """Measure the audio, as the engine gets it; return what the span is to say of it."""
        self.health = measured(samples, sample_rate)
        return audio_attributes(self.health) if self.health is not None else {}

    def add(self, *, end: float, compression_ratio: float, words: int) -> None:
        """Add a segment; nothing of its text is kept."""
        self.transcript_end = end
        if words >= self.thresholds.repetition_words:
            self.compression_ratio = max(compression_ratio, self.compression_ratio or 0.0)

    def of_audio(self) -> tuple[Verdict, ...]:
        """Judge what went in."""
        return () if self.health is None else of_audio(self.health, self.thresholds)

    def of_transcript(self, **known: Any) -> tuple[Verdict, ...]:
        """Judge what came out, by this and by what else is known."""
        return of_transcript(
            self.thresholds,
            speech_duration=self.speech_duration,
            speech_end=self.speech_end,
            transcript_end=self.transcript_end,
            compression_ratio=self.compression_ratio,
            language=self.language,
            language_requested=self.language_requested,
            is_language_detected=self.is_language_detected,
            **known,
        )
