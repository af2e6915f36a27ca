"""Decoding: an attempt at a window."""

# ruff: noqa: D101, D102, D103

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whisper.audio import Mel
    from whisper.model import Whisper


def detect_language(model: Whisper, mel: Mel, tokenizer: object = None) -> tuple[object, dict[str, float]]:
    model.encoder(mel)
    return "token", {"pt": 0.25, "es": 0.75}


@dataclass(frozen=True)
class DecodingOptions:
    task: str = "transcribe"
    language: str | None = None
    temperature: float = 0.0
    beam_size: int | None = None
    fp16: bool = True


@dataclass
class DecodingResult:
    text: str
    avg_logprob: float
    no_speech_prob: float
    temperature: float
    compression_ratio: float


class DecodingTask:
    def __init__(self, model: Whisper, options: DecodingOptions) -> None:
        self.model, self.options = model, options

    def run(self, mel: Mel) -> DecodingResult:
        self.model.encoder(mel)
        return self._main_loop()

    def _main_loop(self) -> DecodingResult:
        window = self.model.heard.windows[self.model.heard.at]
        if window.error is not None:
            raise window.error
        good = self.options.temperature >= window.good_from
        return DecodingResult(
            " fresh air",
            window.avg_logprob if good else -3.0,
            window.no_speech_prob,
            self.options.temperature,
            1.5,
        )


def decode(
    model: Whisper, mel: Mel, options: DecodingOptions = DecodingOptions(), **kwargs: object
) -> DecodingResult:
    return DecodingTask(model, options).run(mel)
