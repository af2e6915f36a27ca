"""Times of words."""

# ruff: noqa: D103

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whisper.audio import Mel
    from whisper.model import Whisper


def add_word_timestamps(
    *,
    segments: list[dict[str, Any]],
    model: Whisper,
    tokenizer: object,
    mel: Mel,
    num_frames: int,
    last_speech_timestamp: float,
) -> None:
    model(mel, "tokens")
    for segment in segments:
        segment["words"] = [{"word": word} for word in segment["text"].split()]
