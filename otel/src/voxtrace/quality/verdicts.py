"""
The verdicts on audio, translations and synthesized speech.

They are proxies. None has heard the recording or knows what was meant: a failed one says where to look
first, and a pass promises nothing. What is not known is not judged: a verdict is given where its number is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from voxtrace.quality.thresholds import DEFAULTS, Thresholds
from voxtrace.quality.verdict import Verdict, at_least, at_most, within

if TYPE_CHECKING:
    from voxtrace.audio import AudioHealth


def of_audio(health: AudioHealth, thresholds: Thresholds = DEFAULTS) -> tuple[Verdict, ...]:
    """Judge input audio: `clipping`, `silence`, `level`, `dc_offset` and `noise`."""
    verdicts = [
        at_most("clipping", health.clipping_ratio, thresholds.clipping_ratio),
        at_most("silence", health.silence_ratio, thresholds.silence_ratio),
        at_least("level", health.loudness, thresholds.loudness),
        at_most("dc_offset", abs(health.dc_offset), thresholds.dc_offset),
    ]
    if health.snr is not None:
        verdicts.append(at_least("noise", health.snr, thresholds.snr))
    return tuple(verdicts)


def of_translation(
    thresholds: Thresholds = DEFAULTS,
    *,
    character_count: int | None = None,
    translated_character_count: int | None = None,
    unknown_word_ratio: float | None = None,
) -> tuple[Verdict, ...]:
    """
    Judge a translation: `unknown_words` and `length_ratio`.

    Args:
        thresholds: The limits.
        character_count: Characters that went in.
        translated_character_count: Characters that came out.
        unknown_word_ratio: Share of the words that the engine did not know, 0 to 1.
    """
    verdicts = []
    if unknown_word_ratio is not None:
        verdicts.append(at_most("unknown_words", unknown_word_ratio, thresholds.unknown_word_ratio))
    if translated_character_count is not None and _is_long(character_count, thresholds):
        ratio = translated_character_count / character_count
        verdicts.append(
            within("length_ratio", ratio, thresholds.least_length_ratio, thresholds.most_length_ratio)
        )
    return tuple(verdicts)


def of_synthesis(
    thresholds: Thresholds = DEFAULTS,
    *,
    health: AudioHealth | None = None,
    character_count: int | None = None,
    audio_duration: float | None = None,
) -> tuple[Verdict, ...]:
    """
    Judge synthesized speech: `silent`, `clipped` and `characters_per_second`.

    Args:
        thresholds: The limits.
        health: What its samples say; of long speech, its beginning will do.
        character_count: Characters that were spoken.
        audio_duration: How long the speech is, in s.
    """
    verdicts = []
    if health is not None:
        verdicts.append(at_most("silent", health.silence_ratio, thresholds.synthesis_silence_ratio))
        verdicts.append(at_most("clipped", health.clipping_ratio, thresholds.synthesis_clipping_ratio))
    if audio_duration and _is_long(character_count, thresholds):
        verdicts.append(
            within(
                "characters_per_second",
                character_count / audio_duration,
                thresholds.least_characters_per_second,
                thresholds.most_characters_per_second,
            )
        )
    return tuple(verdicts)


def _is_long(character_count: int | None, thresholds: Thresholds) -> TypeGuard[int]:
    """Tell whether a text is long enough to be judged by its length."""
    return character_count is not None and character_count >= max(thresholds.least_characters, 1)
