"""Where good ends and doubtful begins, and who says so: code, the environment, or the defaults."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from voxtrace._guard import report

ENVIRONMENT_PREFIX: Final = "VOXTRACE_QUALITY_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """
    The limits that verdicts are given by; a value at the limit passes.

    They are where to start: tune them to your models, microphones and languages. What has no source is ours.

    Attributes:
        clipping_ratio: Most samples of the input that may be clipped, 0 to 1. As b2aiprep has it (its issue
            276); there, 1 % is worth a look.
        silence_ratio: Most of the input that may be silence, 0 to 1. As there; 30 % is worth a look.
        snr: Least estimate of the input's signal-to-noise ratio, in dB. As there; 18 dB is worth a look.
        loudness: Least loudness of the input, in dBFS.
        dc_offset: Largest DC offset of the input, to either side, as a part of full scale.
        avg_logprob: Least mean log probability of a transcript's tokens. Whisper's own `logprob_threshold`.
        compression_ratio: Most that a text may compress. Whisper's own `compression_ratio_threshold`.
        repetition_words: Least words of a text that is judged by that; short ones compress badly.
        no_speech_probability: Most of it where there are words. Whisper's own `no_speech_threshold`.
        speech_duration: Least speech that voice activity detection must find where there are words, in s.
        fallback_ratio: Most attempts beyond the first, per window; any is the first sign of a hard recording.
        unheard_speech: Most speech at the end that may lack a transcript, in s.
        languages: Those expected where the caller named none, as the engine codes them; without any, no
            detected language is wrong.
        unknown_word_ratio: Most words of a translation that the engine may not know, 0 to 1.
        least_length_ratio: Least characters out of a translation per character in.
        most_length_ratio: Most of them.
        synthesis_silence_ratio: Most of synthesized speech that may be silence, 0 to 1.
        synthesis_clipping_ratio: Most samples of it that may be clipped, 0 to 1.
        least_characters_per_second: Slowest speech. Scripts differ: Chinese has 3 to 5 characters per second.
        most_characters_per_second: Fastest speech.
        least_characters: Shorter texts are judged neither by length ratio nor by characters per second.
    """

    clipping_ratio: float = 0.05
    silence_ratio: float = 0.5
    snr: float = 12.0
    loudness: float = -46.0
    dc_offset: float = 0.02
    avg_logprob: float = -1.0
    compression_ratio: float = 2.4
    repetition_words: int = 5
    no_speech_probability: float = 0.6
    speech_duration: float = 0.2
    fallback_ratio: float = 0.0
    unheard_speech: float = 3.0
    languages: tuple[str, ...] = ()
    unknown_word_ratio: float = 0.2
    least_length_ratio: float = 0.4
    most_length_ratio: float = 2.5
    synthesis_silence_ratio: float = 0.9
    synthesis_clipping_ratio: float = 0.01
    least_characters_per_second: float = 2.0
    most_characters_per_second: float = 30.0
    least_characters: int = 10


DEFAULTS: Final = Thresholds()
#: Limits of shares; of the other ones only these may be negative.
_SHARES: Final = frozenset(
    {
        "clipping_ratio",
        "dc_offset",
        "no_speech_probability",
        "silence_ratio",
        "synthesis_clipping_ratio",
        "synthesis_silence_ratio",
        "unknown_word_ratio",
    }
)
_SIGNED: Final = frozenset({"avg_logprob", "loudness", "snr"})


def configured(**arguments: float | Iterable[str] | None) -> Thresholds:
    """
    The thresholds by argument and environment, the stronger first; None says nothing.

    A value that makes no sense is reported once, with what is used instead.

    Raises:
        TypeError: An argument is no threshold.
    """
    names = [field.name for field in dataclasses.fields(Thresholds)]
    if unknown := sorted(arguments.keys() - set(names)):
        raise TypeError(f"There is no threshold {', '.join(unknown)}. There are: {', '.join(names)}")
    chosen = dict[str, Any]()
    for name in names:
        read, expected = _reader(name)
        refused: dict[str, ValueError] = {}
        for where, value in _said(name, arguments):
            try:
                chosen[name] = read(value)
                break
            except ValueError as error:
                refused[where] = error
        for where, reason in refused.items():
            used = _spoken(chosen.get(name, getattr(DEFAULTS, name)))
            report(f"use {where}: say {expected}; {used} is used instead", reason)
    return dataclasses.replace(DEFAULTS, **chosen)


def _said(name: str, arguments: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """What each source says of a threshold, with the source's name; the stronger first."""
    if arguments.get(name) is not None:
        yield f"the argument {name}", arguments[name]
    variable = ENVIRONMENT_PREFIX + name.upper()
    if os.environ.get(variable, "").strip():
        yield variable, os.environ[variable]


def _reader(name: str) -> tuple[Callable[[object], object], str]:
    """What reads a threshold, and what that takes, in words."""
    if name == "languages":
        return _codes, "codes of languages, such as en,es"
    if isinstance(getattr(DEFAULTS, name), int):
        return _count, "a whole number from 0"
    if name in _SHARES:
        return lambda value: _number(value, 0.0, 1.0), "a number from 0 to 1"
    if name in _SIGNED:
        return _number, "a number"
    return lambda value: _number(value, 0.0), "a number from 0"


def _number(value: object, least: float = -sys.float_info.max, most: float = sys.float_info.max) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(type(value))  # noqa: TRY004 - read as every other value that makes no sense
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(type(value)) from error
    if not least <= number <= most:  # NaN is not
        raise ValueError(type(value))
    return number


def _count(value: object) -> int:
    number = _number(value, 0.0)
    if not number.is_integer():
        raise ValueError(type(value))
    return int(number)


def _codes(value: object) -> tuple[str, ...]:
    codes = value.split(",") if isinstance(value, str) else value
    if isinstance(codes, Iterable):
        found = tuple(codes)
        if all(isinstance(code, str) for code in found):
            return tuple(stripped for code in found if (stripped := code.strip()))
    raise ValueError(type(value))


def _spoken(value: object) -> str:
    return ",".join(value) or "none" if isinstance(value, tuple) else str(value)
