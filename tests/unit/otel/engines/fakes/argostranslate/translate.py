"""An Argos that shouts: es-en, en-de and de-fr are installed, every other way leads through those."""

# The engine's names and signatures, which are not documented here.
# ruff: noqa: D101, D102, D103

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from argostranslate import sbd


class _Translator:
    def __init__(self, model_path: str, device: str = "cpu") -> None:
        if "broken" in model_path:
            raise RuntimeError(f"unable to open {model_path}")
        self.model_path = model_path

    def translate_batch(
        self, source: list[list[str]], num_hypotheses: int = 1, **_: object
    ) -> list[list[str]]:
        if ["FAIL"] in source:
            raise RuntimeError(f"out of memory: {source}")
        return [[" ".join(tokens).upper()] * num_hypotheses for tokens in source]


ctranslate2 = SimpleNamespace(Translator=_Translator)


class Hypothesis:
    def __init__(self, value: str, score: float) -> None:
        self.value = value
        self.score = score


class ITranslation:
    from_lang: Language
    to_lang: Language

    def translate(self, input_text: str) -> str:
        return self.hypotheses(input_text, num_hypotheses=1)[0].value

    def hypotheses(self, input_text: str, num_hypotheses: int = 4) -> list[Hypothesis]:
        raise NotImplementedError


class Language:
    def __init__(self, code: str) -> None:
        self.code = code
        self.translations_from: list[ITranslation] = []

    def get_translation(self, to: Language) -> ITranslation | None:
        return next((one for one in self.translations_from if one.to_lang is to), None)


class PackageTranslation(ITranslation):
    def __init__(self, from_lang: Language, to_lang: Language, pkg: Any) -> None:
        self.from_lang, self.to_lang, self.pkg = from_lang, to_lang, pkg
        self.translator: _Translator | None = None
        splitter = sbd.StanzaSentencizer if pkg.stanza else sbd.MiniSBDSentencizer
        self.sentencizer = splitter(pkg)

    def hypotheses(self, input_text: str, num_hypotheses: int = 4) -> list[Hypothesis]:
        if self.translator is None:
            self.translator = ctranslate2.Translator(self.pkg.path, device="cpu")
        paragraphs = [
            apply_packaged_translation(self.pkg, paragraph, self.translator, self.sentencizer, num_hypotheses)
            for paragraph in input_text.split("\n")
        ]
        return [Hypothesis("\n".join(found), -0.5) for found in zip(*paragraphs, strict=True)]


class CompositeTranslation(ITranslation):
    def __init__(self, t1: ITranslation, t2: ITranslation) -> None:
        self.t1, self.t2 = t1, t2
        self.from_lang, self.to_lang = t1.from_lang, t2.to_lang

    def hypotheses(self, input_text: str, num_hypotheses: int = 4) -> list[Hypothesis]:
        found = [
            second
            for first in self.t1.hypotheses(input_text, num_hypotheses)
            for second in self.t2.hypotheses(first.value, num_hypotheses)
        ]
        return found[:num_hypotheses]


class CachedTranslation(ITranslation):
    def __init__(self, underlying: ITranslation) -> None:
        self.underlying = underlying
        self.from_lang, self.to_lang = underlying.from_lang, underlying.to_lang

    def hypotheses(self, input_text: str, num_hypotheses: int = 4) -> list[Hypothesis]:
        return self.underlying.hypotheses(input_text, num_hypotheses)


def apply_packaged_translation(
    pkg: object, input_text: str, translator: Any, sentencizer: Any, num_hypotheses: int = 4
) -> list[str]:
    tokenized = [sentence.split() for sentence in sentencizer.split_sentences(input_text)]
    batches = translator.translate_batch(tokenized, replace_unknowns=True, num_hypotheses=num_hypotheses)
    return [". ".join(batch[index] for batch in batches) for index in range(num_hypotheses)]


def _installed() -> dict[str, Language]:
    spanish, english, german, french = map(Language, ("es", "en", "de", "fr"))
    pairs = ((spanish, english, False), (english, german, True), (german, french, False))
    ways = [
        CachedTranslation(
            PackageTranslation(one, other, SimpleNamespace(path="/srv/private/model", stanza=stanza))
        )
        for one, other, stanza in pairs
    ]
    to_german = CompositeTranslation(ways[0], ways[1])
    spanish.translations_from = [ways[0], to_german, CompositeTranslation(to_german, ways[2])]
    english.translations_from, german.translations_from = [ways[1]], [ways[2]]
    return {language.code: language for language in (spanish, english, german, french)}


languages = _installed()


def get_translation_from_codes(from_code: str, to_code: str) -> Any:
    return languages[from_code].get_translation(languages[to_code])


def translate(q: str, from_code: str, to_code: str) -> str:
    return get_translation_from_codes(from_code, to_code).translate(q)  # type: ignore[no-any-return]  # a stand-in
