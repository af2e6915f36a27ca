"""The name and the language of a Piper voice, as its config file tells them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from voxtrace.engines._notes import Notes

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a voice or a language may be called; a config file is anyone's, and may hold a path.
_NAME: Final = re.compile(r"[A-Za-z][\w.-]{1,63}")


@dataclass(frozen=True, slots=True)
class Voice:
    """What a voice is called, and what it speaks."""

    name: str | None = None
    language: str | None = None


_voices: Notes[Voice] = Notes()


def note(config: object, file: Mapping[str, Any]) -> None:
    """
    Keep what a config file says about its voice for as long as the config read from it lives.

    Published voices are called after language, data set and quality: `en_US-joe-medium`.
    """
    code = _text(file.get("language"), "code")
    parts = [code, file.get("dataset"), _text(file.get("audio"), "quality")]
    name = "-".join(part for part in parts if isinstance(part, str) and part)
    named = bool(file.get("dataset")) and _NAME.fullmatch(name)
    language = code.replace("_", "-") if code and _NAME.fullmatch(code) else None
    _voices.put(config, Voice(name if named else None, language))


def voice_of(config: Any) -> Voice:
    """Return what is known of a voice by its config; of one read unwatched, what eSpeak calls it."""
    found = _voices.get(config) or Voice()
    spoken = _text(vars(config), "espeak_voice")
    if found.language is None and spoken and _NAME.fullmatch(spoken):
        return Voice(found.name, spoken)
    return found


def _text(mapping: Any, key: str) -> str | None:
    found = mapping.get(key) if isinstance(mapping, dict) else None
    return found if isinstance(found, str) else None
