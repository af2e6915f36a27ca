"""Speech recognition as a stage: what was heard, in numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.stages.evidence import Evidence
from voxtrace.stages.operation import Operation
from voxtrace.stages.texts import count_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from voxtrace.quality import Verdict
    from voxtrace.stages.instruments import Instruments


class Transcription(Operation):
    """
    The `speech_to_text` span of one transcription.

    Attributes:
        language: The language of the transcript: as heard, else as asked for.
        segments: How many segments were heard.
        words: How many words.
        characters: How many characters.
    """

    def __init__(
        self,
        instruments: Instruments,
        *,
        provider: str,
        model: str | None,
        language: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        asked = {} if language is None else {semconv.SPEECH_LANGUAGE_REQUESTED: language}
        super().__init__(
            instruments,
            operation=semconv.GEN_AI_OPERATION_NAME_SPEECH_TO_TEXT,
            provider=provider,
            model=model,
            attributes={semconv.GEN_AI_OUTPUT_TYPE: "text", **asked, **(attributes or {})},
        )
        self.evidence = Evidence(instruments.thresholds, language_requested=language)
        self.language = language
        self.segments = 0
        self.words = 0
        self.characters = 0
        self._requested = language
        self._detected: str | None = None
        self._probability: float | None = None
        self._text: list[str] = []
        self._avg_logprob: float | None = None
        self._no_speech_probability: float | None = None

    def audio(
        self,
        seconds: float | None = None,
        *,
        samples: ArrayLike | None = None,
        sample_rate: float | None = None,
    ) -> None:
        """
        Say what the engine listens to.

        Args:
            seconds: How long the audio is, by its decoded samples.
            samples: The samples, of one channel; with numpy installed they are looked at once, for clipping,
                silence, noise, level and offset, and not kept.
            sample_rate: How many of them there are a second.
        """
        if samples is not None and sample_rate:
            with guarded("measure the audio of a transcription"):
                self.span.set_attributes(self.evidence.hear(samples, sample_rate))
                if seconds is None and self.evidence.health is not None:
                    seconds = self.evidence.health.duration
        if seconds is not None:
            self.audio_seconds = seconds

    def hear(self, text: str, *, words: int | None = None) -> None:
        """Count a segment of the transcript; its text goes nowhere unless content is switched on."""
        with guarded("count a segment"):
            self.segments += 1
            self.words += count_words(text) if words is None else words
            self.characters += len(text.strip())
            self._text.append(text)

    def detect(self, language: str, probability: float) -> None:
        """Say which language was heard, and how sure of it the engine was (0 to 1)."""
        self.language = self._detected = language
        self._probability = probability
        self.evidence.language = language
        self.evidence.is_language_detected = True

    def confide(
        self,
        *,
        avg_logprob: float | None = None,
        no_speech_probability: float | None = None,
        compression_ratio: float | None = None,
    ) -> None:
        """
        Say how sure of the text the engine was.

        Args:
            avg_logprob: Mean log probability of its tokens.
            no_speech_probability: How likely there was no speech, 0 to 1.
            compression_ratio: Size of the text by its compressed size.
        """
        self._avg_logprob = avg_logprob
        self._no_speech_probability = no_speech_probability
        self.evidence.compression_ratio = compression_ratio
        with guarded("describe a transcript"):
            self.span.set_attributes(confidence(avg_logprob, no_speech_probability, compression_ratio))

    def varieties(self) -> dict[str, AttributeValue]:
        """Return the language, which measurements tell apart."""
        return {} if self.language is None else {semconv.SPEECH_ASR_LANGUAGE: self.language}

    def _verdicts(self, *, complete: bool) -> tuple[Verdict, ...]:
        verdicts = self.evidence.of_audio()
        return verdicts + self.evidence.of_transcript(**self._known()) if complete else verdicts

    def _known(self) -> dict[str, Any]:
        """Return what a transcript is judged by, beside the evidence."""
        return {
            "word_count": self.words,
            "avg_logprob": self._avg_logprob,
            "no_speech_probability": self._no_speech_probability,
        }

    def _describe(self, *, complete: bool) -> None:
        super()._describe(complete=complete)
        self.span.set_attributes(
            {
                semconv.SPEECH_ASR_SEGMENT_COUNT: self.segments,
                semconv.SPEECH_ASR_WORD_COUNT: self.words,
                semconv.SPEECH_ASR_CHARACTER_COUNT: self.characters,
            }
        )
        if self._detected is not None and self._probability is not None:
            self.span.set_attribute(semconv.SPEECH_LANGUAGE_DETECTED, self._detected)
            self.span.set_attribute(semconv.SPEECH_LANGUAGE_PROBABILITY, self._probability)
        self.content(semconv.SPEECH_PII_TRANSCRIPT, "".join(self._text))

    def _measure(self, error_type: str | None, context: Context) -> None:
        super()._measure(error_type, context)
        if error_type is not None:
            return
        told = {**self.labels, **self.varieties()}
        self.instruments.segments(self.segments, told, context)
        self.instruments.words(self.words, told, context)
        self.instruments.characters(self.characters, told, context)
        if self._probability is not None:
            self.instruments.language_probability(self._probability, told, context)
        if None not in {self._requested, self._detected} and self._requested != self._detected:
            asked = {**told, semconv.SPEECH_LANGUAGE_REQUESTED: self._requested or ""}
            self.instruments.language_mismatches(1, asked, context)


def confidence(
    avg_logprob: float | None, no_speech_probability: float | None, compression_ratio: float | None
) -> dict[str, AttributeValue]:
    """Return the attributes of what is known; confidence is the exponential of the log probability."""
    known: dict[str, float | None] = {
        semconv.SPEECH_ASR_AVG_LOGPROB: avg_logprob,
        semconv.SPEECH_ASR_CONFIDENCE: None if avg_logprob is None else math.exp(avg_logprob),
        semconv.SPEECH_ASR_NO_SPEECH_PROBABILITY: no_speech_probability,
        semconv.SPEECH_ASR_COMPRESSION_RATIO: compression_ratio,
    }
    return {name: value for name, value in known.items() if value is not None}
