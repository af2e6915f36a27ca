"""Argos as a translation engine, with the library replaced; the real one is an integration test."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.settings import Settings
from voxtrace_services.translation import engine


class Language:
    """A language that can be translated into those named."""

    def __init__(self, code: str, *into: str) -> None:
        self.code = code
        self._into = into

    def get_translation(self, to: Language) -> Any:
        """The translation into another language, if there is a way."""
        if to.code not in self._into:
            return None
        return SimpleNamespace(translate=lambda text: f"{self.code}-{to.code}: {text}")


@pytest.fixture(name="languages")
def _languages(monkeypatch: pytest.MonkeyPatch) -> list[Language]:
    """What is installed."""
    languages = [Language("en", "es"), Language("es", "en", "de"), Language("de")]
    module: Any = SimpleNamespace(get_installed_languages=lambda: languages)
    monkeypatch.setitem(sys.modules, "argostranslate", SimpleNamespace(translate=module))  # type: ignore[arg-type]  # a stand-in
    monkeypatch.setitem(sys.modules, "argostranslate.translate", module)
    return languages


@pytest.mark.parametrize(
    ("source", "target", "pair"), [("en", "es", "en-es"), ("en-GB", "ES-419", "en-es"), ("es", "de", "es-de")]
)
def test_pair(languages: list[Language], source: str, target: str, pair: str) -> None:
    """A translation is found by the primary languages."""
    translator = engine.load(Settings(translation_engine="argos"))
    assert translator.translate("hello", source, target) == f"{pair}: hello"


@pytest.mark.parametrize(("source", "target"), [("tlh", "es"), ("es", "tlh"), ("de", "en")])
def test_unsupported(languages: list[Language], source: str, target: str) -> None:
    """A pair that no installed package leads to is rejected: no retry will install it."""
    with pytest.raises(RejectedError) as caught:
        engine.Argos().translate("hello", source, target)
    assert caught.value.reason == "unsupported_language"


def test_no_packages(languages: list[Language]) -> None:
    """Without a language package the error says how to install one."""
    languages.clear()
    with pytest.raises(EngineError, match="argospm install translate-en_es"):
        engine.Argos()


def test_texts_are_not_logged(languages: list[Language]) -> None:
    """Argos logs every text as information; that is switched off, though Argos sets its own level."""
    logger = logging.getLogger("argostranslate.utils")
    logger.setLevel(logging.INFO)
    engine.Argos()
    assert not logger.isEnabledFor(logging.INFO)
    assert logger.isEnabledFor(logging.WARNING)


def test_without_argos(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing Argos says how to install it."""
    monkeypatch.setitem(sys.modules, "argostranslate.translate", None)
    with pytest.raises(EngineError, match=r"pip install 'voxtrace-services\[argos\]'"):
        engine.load(Settings(translation_engine="argos"))
