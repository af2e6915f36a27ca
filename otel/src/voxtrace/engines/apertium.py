"""Apertium: one `translate` span per run of the `apertium` program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from voxtrace import semconv
from voxtrace.engines._arguments import parse
from voxtrace.engines._commands import CommandEngine, CommandInstrumentor, Outcome, Request, Run
from voxtrace.engines._texts import count_words, decoded
from voxtrace.quality import Thresholds, of_translation

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

_VALUED: Final = "dfmo"
_LISTINGS: Final = {"l", "V", "h"}
#: A direction as modes are named; what else stands there is no model to name a span after.
_DIRECTION: Final = re.compile(r"[A-Za-z]{2,8}(_\w{1,12})?-[A-Za-z]{2,8}(_\w{1,12})?")
#: Apertium marks a word it does not know with an asterisk in front.
_UNKNOWN: Final = re.compile(r"(?<![\w*])\*(?=\w)")


class _Apertium:
    program = "apertium"
    provider = "apertium"
    operation = semconv.GEN_AI_OPERATION_NAME_TRANSLATE

    def request(self, argv: list[str]) -> Request | None:
        """Read the direction; the codes of its languages are kept as the mode has them."""
        arguments = parse(argv, valued=_VALUED)
        if _LISTINGS & arguments.options.keys():
            return None
        direction = arguments.words[0] if arguments.words else ""
        if not _DIRECTION.fullmatch(direction):
            return Request(model=None)
        source, target = direction.split("-")
        return Request(
            direction,
            {
                semconv.SPEECH_TRANSLATION_SOURCE_LANGUAGE: source,
                semconv.SPEECH_TRANSLATION_TARGET_LANGUAGE: target,
            },
        )

    def outcome(self, run: Run, thresholds: Thresholds) -> Outcome:
        """Count what went in and came out, and the words that Apertium did not know."""
        found: dict[str, AttributeValue] = {}
        source, translation = decoded(run.input), decoded(run.output)
        unknown_word_ratio = None
        if source is not None:
            found[semconv.SPEECH_TRANSLATION_INPUT_CHARACTER_COUNT] = len(source.strip())
            found[semconv.SPEECH_TRANSLATION_INPUT_WORD_COUNT] = count_words(source)
        if translation is not None:
            words = count_words(translation)
            found[semconv.SPEECH_TRANSLATION_OUTPUT_CHARACTER_COUNT] = len(translation.strip())
            found[semconv.SPEECH_TRANSLATION_OUTPUT_WORD_COUNT] = words
            if "u" not in parse(run.argv, valued=_VALUED).options:
                unknown = len(_UNKNOWN.findall(translation))
                found[semconv.SPEECH_TRANSLATION_UNKNOWN_WORD_COUNT] = unknown
                if words:
                    unknown_word_ratio = min(unknown / words, 1.0)
                    found[semconv.SPEECH_TRANSLATION_UNKNOWN_WORD_RATIO] = unknown_word_ratio
        verdicts = of_translation(
            thresholds,
            character_count=None if source is None else len(source.strip()),
            translated_character_count=None if translation is None else len(translation.strip()),
            unknown_word_ratio=unknown_word_ratio,
        )
        return Outcome(found, verdicts=verdicts)


class ApertiumInstrumentor(CommandInstrumentor):
    """Instruments `apertium` when it is run by `subprocess`."""

    scope: ClassVar[str] = "voxtrace.engines.apertium"
    engine: ClassVar[CommandEngine] = _Apertium()
