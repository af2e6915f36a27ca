"""Machine translation as a stage: what went in and came out, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.quality import of_translation
from voxtrace.stages.operation import Operation
from voxtrace.stages.texts import count_words
from voxtrace.stages.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from voxtrace.quality import Verdict
    from voxtrace.stages.instruments import Instruments


class Translation(Operation):
    """The `translate` span of one translation."""

    def __init__(
        self,
        instruments: Instruments,
        *,
        provider: str,
        model: str | None,
        source_language: str | None,
        target_language: str | None,
        attributes: Mapping[str, AttributeValue] | None = None,
        context: Context | None = None,
        start_time: int | None = None,
    ) -> None:
        pair = {
            semconv.SPEECH_TRANSLATION_SOURCE_LANGUAGE: source_language,
            semconv.SPEECH_TRANSLATION_TARGET_LANGUAGE: target_language,
        }
        self._pair: dict[str, AttributeValue] = {key: value for key, value in pair.items() if value}
        self._characters = 0
        self._words = 0
        self._judged: dict[str, Any] = {}
        super().__init__(
            instruments,
            operation=semconv.GEN_AI_OPERATION_NAME_TRANSLATE,
            provider=provider,
            model=model,
            attributes={semconv.GEN_AI_OUTPUT_TYPE: "text", **self._pair, **(attributes or {})},
            context=context,
            start_time=start_time,
        )

    def source(self, text: str) -> None:
        """Count what goes in; the text goes nowhere unless content is switched on."""
        with guarded("count a source text"):
            self._characters, self._words = len(text.strip()), count_words(text)
            self._judged["character_count"] = self._characters
            self.span.set_attributes(
                {
                    semconv.SPEECH_TRANSLATION_INPUT_CHARACTER_COUNT: self._characters,
                    semconv.SPEECH_TRANSLATION_INPUT_WORD_COUNT: self._words,
                }
            )
            self.content(semconv.SPEECH_PII_SOURCE_TEXT, text)

    def target(self, text: str, *, unknown_words: int | None = None) -> None:
        """
        Count what came out; the text goes nowhere unless content is switched on.

        Args:
            text: The translation.
            unknown_words: How many of its words the engine did not know, if it tells.
        """
        with guarded("count a translation"):
            words = count_words(text)
            self._judged["translated_character_count"] = len(text.strip())
            found: dict[str, AttributeValue] = {
                semconv.SPEECH_TRANSLATION_OUTPUT_CHARACTER_COUNT: len(text.strip()),
                semconv.SPEECH_TRANSLATION_OUTPUT_WORD_COUNT: words,
            }
            if unknown_words is not None:
                found[semconv.SPEECH_TRANSLATION_UNKNOWN_WORD_COUNT] = unknown_words
                if words:
                    ratio = self._judged["unknown_word_ratio"] = min(unknown_words / words, 1.0)
                    found[semconv.SPEECH_TRANSLATION_UNKNOWN_WORD_RATIO] = ratio
            self.span.set_attributes(found)
            self.content(semconv.SPEECH_PII_TRANSLATION, text)

    def varieties(self) -> dict[str, AttributeValue]:
        """Return the languages, which measurements tell apart."""
        return self._pair

    def usage(self) -> Usage:
        """Return the characters that went in, and the time the engine worked."""
        return Usage(characters=self._characters, compute=self.worked)

    def _verdicts(self, *, complete: bool) -> tuple[Verdict, ...]:
        return of_translation(self.instruments.thresholds, **self._judged) if complete else ()

    def _measure(self, error_type: str | None, context: Context) -> None:
        super()._measure(error_type, context)
        if error_type is None and self._characters:
            told = {**self.labels, **self.varieties()}
            self.instruments.words(self._words, told, context)
            self.instruments.characters(self._characters, told, context)
