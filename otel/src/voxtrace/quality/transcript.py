"""The verdicts on a transcript; proxies as all others are."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from voxtrace.quality.thresholds import DEFAULTS, Thresholds
from voxtrace.quality.verdict import Verdict, at_least, at_most, judged

if TYPE_CHECKING:
    from collections.abc import Iterable


def of_transcript(
    thresholds: Thresholds = DEFAULTS,
    *,
    text: str | None = None,
    word_count: int | None = None,
    avg_logprob: float | None = None,
    compression_ratio: float | None = None,
    no_speech_probability: float | None = None,
    speech_duration: float | None = None,
    speech_end: float | None = None,
    transcript_end: float | None = None,
    window_count: int | None = None,
    fallback_count: int | None = None,
    language: str | None = None,
    language_requested: str | None = None,
    is_language_detected: bool = True,
) -> tuple[Verdict, ...]:
    """
    Judge a transcript; where nothing is known for a verdict, it is not given.

    The verdicts are `low_confidence`, `repetition`, `text_without_speech`, `language_mismatch`, `fallback`
    and `truncated`.

    Args:
        thresholds: The limits.
        text: The transcript; where it may be looked at, it gives the next one and the compression.
        word_count: Words of the transcript.
        avg_logprob: Mean log probability of its tokens, at most 0.
        compression_ratio: Bytes of the text by its bytes compressed with zlib; best that of its worst part.
        no_speech_probability: How likely the engine found it that nobody spoke, 0 to 1.
        speech_duration: Speech that voice activity detection found, in s.
        speech_end: Where the last of it ends, in s from the start of the audio.
        transcript_end: Where the last word ends, in the same seconds.
        window_count: Windows that were decoded.
        fallback_count: Attempts at them beyond the first.
        language: The language of the transcript, as the engine says.
        language_requested: The language that the caller named.
        is_language_detected: Whether the engine heard the language. Where it knows one alone, or was told,
            only what was requested can contradict it.
    """
    if text is not None:
        word_count = len(text.split()) if word_count is None else word_count
        compression_ratio = _compression_ratio(text) if compression_ratio is None else compression_ratio
    verdicts: list[Verdict | None] = []
    if avg_logprob is not None:
        verdicts.append(at_least("low_confidence", avg_logprob, thresholds.avg_logprob))
    if compression_ratio is not None and (word_count or 0) >= thresholds.repetition_words:
        verdicts.append(at_most("repetition", compression_ratio, thresholds.compression_ratio))
    if word_count:
        verdicts.append(_without_speech(thresholds, no_speech_probability, speech_duration))
    verdicts.append(_language(thresholds, language, language_requested, is_detected=is_language_detected))
    if window_count and fallback_count is not None:
        verdicts.append(at_most("fallback", fallback_count / window_count, thresholds.fallback_ratio))
    if word_count is not None:
        unheard = speech_duration if not word_count else _tail(speech_end, transcript_end)
        if unheard is not None:
            verdicts.append(at_most("truncated", unheard, thresholds.unheard_speech))
    return tuple(verdict for verdict in verdicts if verdict is not None)


def _without_speech(
    thresholds: Thresholds, no_speech_probability: float | None, speech_duration: float | None
) -> Verdict | None:
    """Judge words by whether anybody spoke: by voice activity, and by what the engine itself thinks."""
    name = "text_without_speech"
    if speech_duration is not None:
        verdict = at_least(name, speech_duration, thresholds.speech_duration)
        if verdict.failed or no_speech_probability is None:
            return verdict
    if no_speech_probability is None:
        return None
    return at_most(name, no_speech_probability, thresholds.no_speech_probability)


def _language(
    thresholds: Thresholds, language: str | None, requested: str | None, *, is_detected: bool
) -> Verdict | None:
    """Judge a language by what was requested, else by what is expected; the score is 1 for a mismatch."""
    if not language:
        return None
    if requested:
        expected, fault = {_primary(requested)}, "not the language that was requested"
    elif is_detected and thresholds.languages:
        expected, fault = _primaries(thresholds.languages), "not a language that is expected"
    else:
        return None
    matches = _primary(language) in expected
    return judged("language_mismatch", float(not matches), None if matches else fault)


def _primary(tag: str) -> str:
    """The language of a tag such as en-US or en_US, without region and script."""
    return tag.strip().lower().replace("_", "-").partition("-")[0]


def _primaries(tags: Iterable[str]) -> set[str]:
    return {_primary(tag) for tag in tags}


def _tail(speech_end: float | None, transcript_end: float | None) -> float | None:
    """The seconds of speech after the last word."""
    if speech_end is None or transcript_end is None:
        return None
    return max(speech_end - transcript_end, 0.0)


def _compression_ratio(text: str) -> float:
    """As Whisper measures repetition."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data) / len(zlib.compress(data))
