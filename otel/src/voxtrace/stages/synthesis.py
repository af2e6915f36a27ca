"""Speech synthesis as a stage: what was spoken, in numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from voxtrace import semconv
from voxtrace._evaluation import audio_attributes, measured
from voxtrace._guard import guarded
from voxtrace.quality import of_synthesis
from voxtrace.stages.operation import Operation
from voxtrace.stages.texts import character_range, count_words, spoken, word_range
from voxtrace.stages.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from voxtrace.audio import AudioHealth
    from voxtrace.quality import Verdict
    from voxtrace.stages.instruments import Instruments


class Synthesis(Operation):
    """The `text_to_speech` span of one synthesis."""

    def __init__(
        self,
        instruments: Instruments,
        *,
        provider: str,
        model: str | None,
        voice: str | None = None,
        language: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        context: Context | None = None,
        start_time: int | None = None,
    ) -> None:
        named = {semconv.SPEECH_TTS_VOICE: voice, semconv.SPEECH_TTS_LANGUAGE: language}
        self._named: dict[str, AttributeValue] = {key: value for key, value in named.items() if value}
        self._words: int | None = None
        self._characters = 0
        self._started = time.perf_counter()
        self._first_audio: float | None = None
        self._health: AudioHealth | None = None
        super().__init__(
            instruments,
            operation=semconv.GEN_AI_OPERATION_NAME_TEXT_TO_SPEECH,
            provider=provider,
            model=model,
            attributes={semconv.GEN_AI_OUTPUT_TYPE: "speech", **self._named, **(attributes or {})},
            context=context,
            start_time=start_time,
        )
        if voice:
            instruments.voices.use(provider, voice)

    def text(self, text: str) -> None:
        """
        Count what is spoken, without stage directions such as "(happy)" or "[whispers]".

        The text goes nowhere unless content is switched on.
        """
        with guarded("count a text to speak"):
            said = spoken(text)
            self._characters, self._words = len(said), count_words(said)
            self.span.set_attributes(
                {
                    semconv.SPEECH_TTS_CHARACTER_COUNT: self._characters,
                    semconv.SPEECH_TTS_WORD_COUNT: self._words,
                }
            )
            self.content(semconv.SPEECH_PII_SPOKEN_TEXT, text)

    def first_audio(self, seconds: float | None = None) -> None:
        """
        Say that the first sound is there; later ones count for nothing.

        Args:
            seconds: How long it took, if not all the time since the synthesis began.
        """
        if self._first_audio is None:
            self._first_audio = time.perf_counter() - self._started if seconds is None else seconds

    def audio(
        self,
        seconds: float | None = None,
        *,
        samples: ArrayLike | None = None,
        sample_rate: float | None = None,
    ) -> None:
        """
        Say what was spoken.

        Args:
            seconds: How long the speech is.
            samples: Its samples, of one channel, or those of its beginning; with numpy installed they are
                looked at once, for silence, clipping and level, and not kept.
            sample_rate: How many of them there are a second.
        """
        if samples is not None and sample_rate:
            with guarded("measure synthesized speech"):
                self._health = health = measured(samples, sample_rate)
                if health is not None:
                    self.span.set_attributes(audio_attributes(health))
                    self.span.set_attribute(semconv.SPEECH_TTS_LEADING_SILENCE, health.leading_silence)
        if seconds is not None:
            self.audio_seconds = seconds

    def varieties(self) -> dict[str, AttributeValue]:
        """Return voice and language, which measurements tell apart."""
        return self._named

    def usage(self) -> Usage:
        """Return the characters that were spoken, the audio that was made, and the time the engine worked."""
        return Usage(audio=self.audio_seconds or 0.0, characters=self._characters, compute=self.worked)

    def _verdicts(self, *, complete: bool) -> tuple[Verdict, ...]:
        if not complete:
            return ()
        return of_synthesis(
            self.instruments.thresholds,
            health=self._health,
            character_count=None if self._words is None else self._characters,
            audio_duration=self.audio_seconds,
        )

    def _describe(self, *, complete: bool) -> None:
        super()._describe(complete=complete)
        if self._first_audio is not None:
            self.span.set_attribute(semconv.SPEECH_TTS_FIRST_AUDIO, self._first_audio)

    def _measure(self, error_type: str | None, context: Context) -> None:
        super()._measure(error_type, context)
        if error_type is not None:
            return
        told = {**self.labels, **self.varieties()}
        if self._first_audio is not None:
            self.instruments.time_to_first_audio(self._first_audio, told, context)
        if self._words is None:
            return
        self.instruments.words(self._words, told, context)
        self.instruments.characters(self._characters, told, context)
        ranges = {
            semconv.SPEECH_TTS_WORD_RANGE: word_range(self._words),
            semconv.SPEECH_TTS_CHARACTER_RANGE: character_range(self._characters),
        }
        self.instruments.synthesis_duration(self.worked, {**self._named, **ranges}, context)
