"""openai-whisper 20250625 in miniature: the names that are patched, and how its modules import each other."""

# The engine's names and signatures, which are not documented here.
# ruff: noqa: D103

from __future__ import annotations

import os

from whisper.audio import load_audio, log_mel_spectrogram
from whisper.decoding import DecodingOptions, DecodingResult, decode, detect_language
from whisper.model import Whisper
from whisper.transcribe import transcribe

__all__ = [
    "DecodingOptions",
    "DecodingResult",
    "Whisper",
    "available_models",
    "decode",
    "detect_language",
    "load_audio",
    "load_model",
    "log_mel_spectrogram",
    "transcribe",
]

_MODELS = {"tiny.en": "https://tiny.en", "tiny": "https://tiny"}


def available_models() -> list[str]:
    return list(_MODELS)


def load_model(
    name: str, device: object = None, download_root: str | None = None, in_memory: bool = False
) -> Whisper:
    if name not in _MODELS and not os.fspath(name).endswith(".pt"):
        raise RuntimeError(f"Model {name} not found; available models = {available_models()}")
    return Whisper(is_multilingual=not os.fspath(name).removesuffix(".pt").endswith(".en"))
