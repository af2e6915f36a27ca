"""Machine translation: the seam, Apertium, Argos, and a stand-in of set duration."""

from __future__ import annotations

import importlib
import logging
import re
import time
from typing import TYPE_CHECKING, Protocol

from voxtrace_services.core import engines
from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.engines import EngineError

if TYPE_CHECKING:
    from voxtrace_services.core.settings import Settings

_INSTALL = "apt-get install apertium apertium-eng-spa"

# What Apertium puts before a word it does not know, or cannot bring into form. It could
# leave the marks out (-u), but then its instrumentation could not count such words.
_MARK = re.compile(r"(?<!\w)[*@#](?=[^\W\d_])")
# A word that vanishes in translation leaves the blanks of both its sides.
_BLANKS = re.compile(r"(?<=\S) {2,}(?=\S)")

#: Apertium names languages by ISO 639-3 where Whisper and uploaders use 639-1.
# fmt: off
_THREE_LETTERS = {
    "af": "afr", "an": "arg", "ar": "ara", "be": "bel", "bg": "bul", "br": "bre",
    "ca": "cat", "cy": "cym", "da": "dan", "de": "deu", "en": "eng", "eo": "epo",
    "es": "spa", "eu": "eus", "fr": "fra", "gl": "glg", "hi": "hin", "is": "isl",
    "it": "ita", "kk": "kaz", "mk": "mkd", "mt": "mlt", "nb": "nob", "nl": "nld",
    "nn": "nno", "oc": "oci", "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus",
    "sc": "srd", "sl": "slv", "sv": "swe", "tr": "tur", "tt": "tat", "uk": "ukr",
    "ur": "urd",
}
# fmt: on


class Translator(Protocol):
    """Turns text in one language into text in another."""

    def translate(self, text: str, source: str, target: str) -> str:
        """
        Translate `text`.

        Raises:
            RejectedError: `unsupported_language`.
        """
        ...


def load(settings: Settings) -> Translator:
    """The engine that the settings name, ready to translate."""
    match settings.translation_engine:
        case "apertium":
            return Apertium()
        case "argos":
            return Argos()
        case "null":
            return NullTranslator(settings.null_engine_seconds)


class Apertium:
    """The `apertium` program, with whichever pairs are installed."""

    def __init__(self) -> None:
        """Ask the program for its pairs; at least one must be there."""
        self.pairs = frozenset(engines.run(["apertium", "-l"], text="", install=_INSTALL).split())
        if not self.pairs:
            raise EngineError("Apertium has no language pair: apt-get install apertium-eng-spa")

    def translate(self, text: str, source: str, target: str) -> str:
        """Translate `text`; words it does not know stay as they are."""
        translated = engines.run(["apertium", self._pair(source, target)], text=text, install=_INSTALL)
        return _BLANKS.sub(" ", _MARK.sub("", translated))

    def _pair(self, source: str, target: str) -> str:
        names = (f"{one}-{other}" for one in _names(source) for other in _names(target))
        pair = next((name for name in names if name in self.pairs), None)
        if pair is None:
            raise RejectedError("unsupported_language", f"cannot translate from {source} to {target}")
        return pair


class Argos:
    """Argos Translate in this process, with whichever packages are installed."""

    def __init__(self) -> None:
        """Ask for the languages; at least one package must be there; models are loaded on demand."""
        try:
            engine = importlib.import_module("argostranslate.translate")
        except ModuleNotFoundError as error:
            raise EngineError("no argostranslate: pip install 'voxtrace-services[argos]'") from error
        # It logs every text and its translation as information, at a level that it sets itself on import.
        logging.getLogger("argostranslate.utils").setLevel(logging.WARNING)
        self._languages = {language.code: language for language in engine.get_installed_languages()}
        if not self._languages:
            raise EngineError(
                "Argos has no language package: argospm update && argospm install translate-en_es"
            )

    def translate(self, text: str, source: str, target: str) -> str:
        """Translate `text`, through a third language where there is no direct way."""
        spoken, wanted = (self._languages.get(_primary(language)) for language in (source, target))
        translation = spoken.get_translation(wanted) if spoken and wanted else None
        if translation is None:
            raise RejectedError("unsupported_language", f"cannot translate from {source} to {target}")
        engines.strike()
        translated: str = translation.translate(text)
        return translated


class NullTranslator:
    """Takes its time and leaves the text alone: for load tests."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def translate(self, text: str, source: str, target: str) -> str:  # noqa: ARG002  the seam's signature
        """The same text, after a while."""
        engines.strike()
        time.sleep(self._seconds)
        return text


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()


def _names(language: str) -> list[str]:
    """How a pair may name a language: with its region first, by three letters, by two."""
    primary, _, region = language.partition("-")
    code = _THREE_LETTERS.get(primary, primary)
    return [*([f"{code}_{region}"] if region else []), code, primary]
