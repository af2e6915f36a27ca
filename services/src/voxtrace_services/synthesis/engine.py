"""Speech synthesis: the seam, eSpeak NG, and a stand-in of set duration."""

from __future__ import annotations

import io
import tempfile
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from voxtrace_services.core import engines
from voxtrace_services.core.broker import RejectedError

if TYPE_CHECKING:
    from voxtrace_services.core.settings import Settings

_INSTALL = "apt-get install espeak-ng"
_SAMPLE_RATE = 22050
_SILENCE_SECONDS = 0.1


class Synthesizer(Protocol):
    """Turns text into speech."""

    def synthesize(self, text: str, language: str, voice: str | None) -> bytes:
        """
        Speak `text`; a whole WAV file.

        Raises:
            RejectedError: `unsupported_language` or `unsupported_voice`.
        """
        ...


def load(settings: Settings) -> Synthesizer:
    """The engine that the settings name, ready to speak."""
    match settings.synthesis_engine:
        case "espeak-ng":
            return EspeakNG()
        case "null":
            return NullSynthesizer(settings.null_engine_seconds)


class EspeakNG:
    """The `espeak-ng` program, with whichever voices are installed."""

    def __init__(self) -> None:
        """Ask the program for its voices."""
        self.voices = _voices(engines.run(["espeak-ng", "--voices"], text="", install=_INSTALL))

    def synthesize(self, text: str, language: str, voice: str | None) -> bytes:
        """Speak `text` with `voice`, or else with the first voice of the language."""
        name = self._name(language, voice)
        with tempfile.TemporaryDirectory(prefix="voxtrace-") as folder:
            path = Path(folder, "speech.wav")
            # A file, because a WAV on stdout cannot know its length when its header is written.
            engines.run(
                ["espeak-ng", "-v", name, "-b", "1", "--stdin", "-w", str(path)], text=text, install=_INSTALL
            )
            # Without a word to say it writes nothing at all.
            return path.read_bytes() if path.exists() else _silence(_SILENCE_SECONDS)

    def _name(self, language: str, voice: str | None) -> str:
        if voice is not None:
            base = voice.partition("+")[0].lower()
            if base not in self.voices:
                raise RejectedError("unsupported_voice", "there is no such voice: leave it out for a default")
            return voice
        for name in (language.lower(), language.partition("-")[0]):
            if name in self.voices:
                return name
        raise RejectedError("unsupported_language", f"no voice speaks {language}")


class NullSynthesizer:
    """Takes its time and says nothing: for load tests."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def synthesize(self, text: str, language: str, voice: str | None) -> bytes:  # noqa: ARG002  the seam's signature
        """A short silence, after a while."""
        time.sleep(self._seconds)
        return _silence(_SILENCE_SECONDS)


def _silence(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLE_RATE)
        file.writeframes(bytes(2 * round(_SAMPLE_RATE * seconds)))
    return buffer.getvalue()


def _voices(table: str) -> frozenset[str]:
    """Everything `-v` takes, from a table of: Pty Language Age/Gender VoiceName File (Other Languages)."""
    names: set[str] = set()
    for line in table.splitlines()[1:]:
        _priority, language, _gender, _name, file, *others = line.split()
        names |= {language, language.partition("-")[0], file}
        names |= {other.removeprefix("(") for other in others if other.startswith("(")}
    return frozenset(name.lower() for name in names)
