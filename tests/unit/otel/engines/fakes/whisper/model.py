"""A Whisper that is told what it hears."""

# ruff: noqa: D101, D102

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from whisper.decoding import decode as decode_function
from whisper.decoding import detect_language as detect_language_function
from whisper.transcribe import transcribe as transcribe_function

if TYPE_CHECKING:
    from whisper.audio import Mel


@dataclass
class Window:
    """What the engine makes of one window: the attempt from this temperature on is good enough."""

    good_from: float = 0.0
    no_speech_prob: float = 0.25
    avg_logprob: float = -0.5
    error: BaseException | None = None


@dataclass
class Heard:
    """What a test wants the engine to hear, and the window it is at."""

    windows: list[Window] = field(default_factory=lambda: [Window()])
    at: int = 0


class Module:
    """The part of PyTorch's that calls `forward`."""

    def __call__(self, *args: Any) -> Any:
        return self.forward(*args)  # type: ignore[attr-defined]  # abstract, as in PyTorch


class AudioEncoder(Module):
    takes = 0.0

    def forward(self, x: Mel) -> str:
        time.sleep(self.takes)
        return "encoded"


class Whisper(Module):
    def __init__(self, *, is_multilingual: bool = False) -> None:
        self.encoder = AudioEncoder()
        self.is_multilingual = is_multilingual
        self.device = SimpleNamespace(type="cpu")
        self.heard = Heard()

    def forward(self, mel: Mel, tokens: object) -> object:
        return self.encoder(mel)

    detect_language = detect_language_function
    transcribe = transcribe_function
    decode = decode_function
