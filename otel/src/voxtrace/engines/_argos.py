"""A translation by Argos: the models it passes through, and what their work adds up to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from voxtrace import semconv
from voxtrace.engines._models import recall
from voxtrace.stages.stage import Stage
from voxtrace.stages.translation import Translation

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.instruments import Instruments

PROVIDER: Final = "argos"
SEGMENT: Final = Stage("speech.mt.segment", "segment_text", windowed=True)
INFER: Final = Stage("speech.mt.infer", "infer", windowed=True)
#: Paragraphs whose stages get spans of their own.
PARAGRAPH_SPANS: Final = 32
#: A language as Argos names it; what else stands there is no name for a span.
_CODE: Final = re.compile(r"[A-Za-z]{2,8}([_-]\w{1,12})?")
#: What the span of a translation says of all its paragraphs: how often a stage ran, and for how long.
_TOTALS: Final = {
    SEGMENT: (semconv.SPEECH_TRANSLATION_SEGMENT_COUNT, semconv.SPEECH_TRANSLATION_SEGMENT_DURATION),
    INFER: (semconv.SPEECH_TRANSLATION_INFER_COUNT, semconv.SPEECH_TRANSLATION_INFER_DURATION),
}


class Pair(NamedTuple):
    """From which language into which."""

    source: str | None
    target: str | None

    @classmethod
    def of(cls, source: object, target: object) -> Self:
        """Take what a caller gave; None stands for what is no language's code."""
        return cls(
            *(code if isinstance(code, str) and _CODE.fullmatch(code) else None for code in (source, target))
        )

    @property
    def direction(self) -> str | None:
        """What a model of this pair is called."""
        return f"{self.source}-{self.target}" if self.source and self.target else None

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the languages, for the spans of one model's work."""
        names = (semconv.SPEECH_TRANSLATION_SOURCE_LANGUAGE, semconv.SPEECH_TRANSLATION_TARGET_LANGUAGE)
        return {name: code for name, code in zip(names, self, strict=True) if code}


class ArgosTranslation(Translation):
    """
    The `translate` span of one call, through however many models.

    Attributes:
        step: The languages of the model at work.
        sentences: How many sentences the text was split into, at all steps.
        cold: Whether a model was loaded on the way; None while no load was ever seen.
    """

    def __init__(self, instruments: Instruments, pair: Pair, *, paragraph_spans: int) -> None:
        super().__init__(
            instruments,
            provider=PROVIDER,
            model=pair.direction,
            source_language=pair.source,
            target_language=pair.target,
        )
        self.step = pair
        self.sentences = 0
        self.cold: bool | None = None
        self._pivot: str | None = None
        self._paragraph_spans = paragraph_spans

    def enter(self, translation: Any) -> None:
        """Note what a nested call shows: its languages, those in between, whether its model is warm."""
        self.step = pair_of(translation)
        if self._pivot is None:
            self._pivot = "-".join(_between(translation)) or None
        if self.cold is None and recall(getattr(translation, "translator", None)) is not None:
            self.cold = False

    def has_room_for(self, stage: Stage) -> bool:
        """Tell whether the stage belongs to one of the first paragraphs."""
        return self.total(stage).count < self._paragraph_spans

    def _describe(self, *, complete: bool) -> None:
        super()._describe(complete=complete)
        found: dict[str, AttributeValue | None] = {
            semconv.SPEECH_TRANSLATION_PIVOT: self._pivot,
            semconv.SPEECH_ENGINE_COLD: self.cold,
        }
        for stage, (count, duration) in _TOTALS.items():
            if stage in self.totals:
                found[count] = self.totals[stage].count
                found[duration] = self.totals[stage].seconds
        if SEGMENT in self.totals:
            found[semconv.SPEECH_TRANSLATION_SENTENCE_COUNT] = self.sentences
        self.span.set_attributes({name: value for name, value in found.items() if value is not None})


def pair_of(translation: Any) -> Pair:
    """Return the languages of one of Argos's translations."""
    languages = (getattr(translation, name, None) for name in ("from_lang", "to_lang"))
    return Pair.of(*(getattr(language, "code", None) for language in languages))


def _between(translation: Any) -> list[str]:
    """Return the languages that a composite translation passes through."""
    if not hasattr(translation, "t1"):
        return []
    middle = pair_of(translation.t1).target
    return [*_between(translation.t1), *([middle] if middle else []), *_between(translation.t2)]
