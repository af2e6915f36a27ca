"""Verdicts: each threshold from both sides, and the recordings and texts they were made for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxtrace.audio import AudioHealth, measure
from voxtrace.quality import Thresholds, Verdict, of_audio, of_synthesis, of_transcript, of_translation

RATE = 16000
GOOD = AudioHealth(
    duration=10.0,
    peak_level=-3.0,
    loudness=-25.0,
    clipping_ratio=0.0,
    silence_ratio=0.2,
    dc_offset=0.0,
    snr=30.0,
    leading_silence=0.1,
)
GOOD_TRANSCRIPT: dict[str, Any] = {
    "word_count": 20,
    "avg_logprob": -0.3,
    "compression_ratio": 1.5,
    "no_speech_probability": 0.1,
    "speech_duration": 8.0,
    "speech_end": 9.0,
    "transcript_end": 9.2,
    "window_count": 2,
    "fallback_count": 0,
    "language": "es",
    "language_requested": "es",
}
PHRASE = "and then we went home "
STORY = "It was the best of times, it was the worst of times, and every age of wisdom has its foolish belief."


def failed(verdicts: tuple[Verdict, ...]) -> list[str]:
    """Return the names of the verdicts that failed."""
    return [verdict.name for verdict in verdicts if verdict.failed]


def tone(amplitude: float) -> np.ndarray[Any, Any]:
    """Two seconds of a sine."""
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)


def spoken(level: float = 0.2, noise: float = 0.001) -> np.ndarray[Any, Any]:
    """Something like speech: sound and pauses, over a noise."""
    pauses = np.repeat([1.0, 1.0, 0.0], RATE // 2)
    background = np.random.default_rng(7).normal(0.0, noise, len(pauses))
    return level * np.resize(tone(1.0), len(pauses)) * pauses + background


@pytest.mark.parametrize(
    ("samples", "flags"),
    [
        (spoken(), []),
        (np.zeros(RATE), ["silence", "level"]),
        ([], ["silence", "level"]),
        (np.random.default_rng(7).normal(0.0, 0.1, 2 * RATE), ["noise"]),
        (np.clip(spoken(level=2.0), -1.0, 1.0), ["clipping"]),
        (spoken() + 0.1, ["dc_offset"]),
        (spoken(level=0.005, noise=0.0001), ["level"]),
        (spoken(noise=0.1), ["noise"]),
        (np.concatenate([np.zeros(2 * RATE), spoken()]), ["silence"]),
    ],
    ids=["clean", "zeros", "empty", "noise", "clipped", "offset", "quiet", "noisy", "late"],
)
def test_golden_recordings_raise_their_flags(samples: Any, flags: list[str]) -> None:
    """A recording with one fault raises the flag of that fault alone, a clean one none."""
    assert failed(of_audio(measure(samples, RATE))) == flags


def test_a_verdict_has_its_number_and_its_label() -> None:
    """A failed verdict says what it failed by, one that passed says nothing."""
    verdicts = of_audio(dataclasses.replace(GOOD, clipping_ratio=0.0625))
    assert verdicts == (
        Verdict("clipping", 0.0625, "fail", "0.0625 > 0.05"),
        Verdict("silence", 0.2, "pass"),
        Verdict("level", -25.0, "pass"),
        Verdict("dc_offset", 0.0, "pass"),
        Verdict("noise", 30.0, "pass"),
    )


@pytest.mark.parametrize(
    ("name", "field", "passing", "failing"),
    [
        ("clipping", "clipping_ratio", 0.05, 0.051),
        ("silence", "silence_ratio", 0.5, 0.51),
        ("noise", "snr", 12.0, 11.9),
        ("level", "loudness", -46.0, -46.1),
        ("dc_offset", "dc_offset", 0.02, 0.021),
        ("dc_offset", "dc_offset", -0.02, -0.021),
    ],
)
def test_each_limit_of_audio_has_two_sides(name: str, field: str, passing: float, failing: float) -> None:
    """What is at the limit passes, what is beyond it fails, and no other verdict changes."""
    assert failed(of_audio(dataclasses.replace(GOOD, **{field: passing}))) == []
    assert failed(of_audio(dataclasses.replace(GOOD, **{field: failing}))) == [name]


def test_noise_that_was_not_estimated_is_not_judged() -> None:
    """Without an estimate there is no verdict, neither pass nor fail."""
    names = [verdict.name for verdict in of_audio(dataclasses.replace(GOOD, snr=None))]
    assert names == ["clipping", "silence", "level", "dc_offset"]


@pytest.mark.parametrize(
    ("name", "passing", "failing"),
    [
        ("low_confidence", {"avg_logprob": -1.0}, {"avg_logprob": -1.01}),
        ("repetition", {"compression_ratio": 2.4}, {"compression_ratio": 2.41}),
        (
            "repetition",
            {"compression_ratio": 9.0, "word_count": 4},
            {"compression_ratio": 9.0, "word_count": 5},
        ),
        ("text_without_speech", {"no_speech_probability": 0.6}, {"no_speech_probability": 0.61}),
        ("text_without_speech", {"speech_duration": 0.2}, {"speech_duration": 0.19}),
        ("language_mismatch", {"language": "ES"}, {"language": "en"}),
        ("language_mismatch", {"language_requested": "es-419"}, {"language_requested": "pt"}),
        ("fallback", {"fallback_count": 0}, {"fallback_count": 1}),
        ("truncated", {"transcript_end": 6.0}, {"transcript_end": 5.9}),
    ],
)
def test_each_limit_of_a_transcript_has_two_sides(
    name: str, passing: dict[str, Any], failing: dict[str, Any]
) -> None:
    """What is at the limit passes, what is beyond it fails, and no other verdict changes."""
    assert failed(of_transcript(**{**GOOD_TRANSCRIPT, **passing})) == []
    assert failed(of_transcript(**{**GOOD_TRANSCRIPT, **failing})) == [name]


def test_a_good_transcript_passes_all_six() -> None:
    """Where everything is known, each verdict is given, with the number it judged."""
    assert of_transcript(**GOOD_TRANSCRIPT) == (
        Verdict("low_confidence", -0.3, "pass"),
        Verdict("repetition", 1.5, "pass"),
        Verdict("text_without_speech", 0.1, "pass"),
        Verdict("language_mismatch", 0.0, "pass"),
        Verdict("fallback", 0.0, "pass"),
        Verdict("truncated", 0.0, "pass"),
    )


@pytest.mark.parametrize(
    ("text", "flags"),
    [(STORY, []), (PHRASE * 8, ["repetition"]), ("\udc80 " * 60, ["repetition"]), ("no " * 4, []), ("", [])],
)
def test_a_text_is_searched_for_repetition(text: str, flags: list[str]) -> None:
    """A phrase said over and over is found; a short text, which compresses badly, is left alone."""
    assert failed(of_transcript(text=text)) == flags


def test_a_number_that_is_none_fails() -> None:
    """An engine whose arithmetic broke down reports NaN, which is at no side of a limit."""
    assert failed(of_transcript(word_count=9, avg_logprob=float("nan"))) == ["low_confidence"]
    assert failed(of_translation(unknown_word_ratio=float("nan"))) == ["unknown_words"]


def test_text_on_silence_is_a_hallucination() -> None:
    """Words where voice activity detection found next to no speech fail, however sure the engine is."""
    verdicts = of_transcript(text="Thanks for watching!", speech_duration=0.0, no_speech_probability=0.1)
    assert Verdict("text_without_speech", 0.0, "fail", "0 < 0.2") in verdicts


def test_no_text_is_never_text_without_speech() -> None:
    """Silence that was transcribed as nothing is as it should be."""
    assert failed(of_transcript(word_count=0, speech_duration=0.1, no_speech_probability=0.9)) == []


@pytest.mark.parametrize(("speech", "flags"), [(3.0, []), (3.1, ["truncated"])])
def test_speech_without_any_text_is_truncated(speech: float, flags: list[str]) -> None:
    """Where nothing was transcribed, all speech is unheard."""
    assert failed(of_transcript(word_count=0, speech_duration=speech, speech_end=9.0)) == flags


@pytest.mark.parametrize(
    ("expected", "is_detected", "flags"),
    [
        ((), True, []),
        (("en", "es-MX"), True, []),
        (("en", "de"), True, ["language_mismatch"]),
        (("en", "de"), False, []),
    ],
)
def test_a_language_that_nobody_expects_is_a_mismatch(
    expected: tuple[str, ...], is_detected: bool, flags: list[str]
) -> None:
    """Without a request the expected languages count, and only against a language that was heard."""
    thresholds = Thresholds(languages=expected)
    verdicts = of_transcript(thresholds, language="es", is_language_detected=is_detected)
    assert failed(verdicts) == flags


def test_what_is_not_known_is_not_judged() -> None:
    """Without numbers there are no verdicts."""
    assert of_transcript() == of_translation() == of_synthesis() == ()
    assert of_transcript(word_count=7) == ()


@pytest.mark.parametrize(
    ("name", "passing", "failing"),
    [
        ("unknown_words", {"unknown_word_ratio": 0.2}, {"unknown_word_ratio": 0.21}),
        ("length_ratio", {"translated_character_count": 40}, {"translated_character_count": 39}),
        ("length_ratio", {"translated_character_count": 250}, {"translated_character_count": 251}),
    ],
)
def test_each_limit_of_a_translation_has_two_sides(
    name: str, passing: dict[str, Any], failing: dict[str, Any]
) -> None:
    """What is at the limit passes, what is beyond it fails, and no other verdict changes."""
    good = {"character_count": 100, "translated_character_count": 110, "unknown_word_ratio": 0.0}
    assert failed(of_translation(**{**good, **passing})) == []
    assert failed(of_translation(**{**good, **failing})) == [name]


@pytest.mark.parametrize(("characters", "flags"), [(9, []), (10, ["length_ratio"])])
def test_the_length_of_a_short_text_says_nothing(characters: int, flags: list[str]) -> None:
    """Ten characters are the least that is judged by length."""
    assert failed(of_translation(character_count=characters, translated_character_count=0)) == flags


@pytest.mark.parametrize(
    ("name", "passing", "failing"),
    [
        ("silent", {"silence_ratio": 0.9}, {"silence_ratio": 0.91}),
        ("clipped", {"clipping_ratio": 0.01}, {"clipping_ratio": 0.011}),
        ("characters_per_second", {"audio_duration": 50.0}, {"audio_duration": 50.1}),
        ("characters_per_second", {"character_count": 300}, {"character_count": 301}),
    ],
)
def test_each_limit_of_synthesis_has_two_sides(
    name: str, passing: dict[str, Any], failing: dict[str, Any]
) -> None:
    """What is at the limit passes, what is beyond it fails, and no other verdict changes."""

    def judge(changes: dict[str, Any]) -> tuple[Verdict, ...]:
        sizes: dict[str, Any] = {"character_count": 100, "audio_duration": 10.0}
        health = {name: value for name, value in changes.items() if name not in sizes}
        sizes |= {name: value for name, value in changes.items() if name in sizes}
        return of_synthesis(health=dataclasses.replace(GOOD, **health), **sizes)

    assert failed(judge(passing)) == []
    assert failed(judge(failing)) == [name]


def test_audio_without_length_has_no_pace() -> None:
    """Nothing is divided by no seconds."""
    assert of_synthesis(character_count=100, audio_duration=0.0) == ()


numbers = st.none() | st.floats()
counts = st.none() | st.integers(-5, 10**9)


@given(
    st.fixed_dictionaries(
        {
            **{
                name: numbers
                for name in GOOD_TRANSCRIPT
                if not name.endswith("count") and not name.startswith("language")
            },
            **{name: counts for name in GOOD_TRANSCRIPT if name.endswith("count")},
            "text": st.none() | st.text(st.characters()),
            "language": st.none() | st.text(),
            "language_requested": st.none() | st.text(),
        }
    )
)
def test_any_numbers_can_be_judged(known: dict[str, Any]) -> None:
    """Whatever an engine reports, each verdict is given once at most, with a label."""
    verdicts = of_transcript(**known)
    names = [verdict.name for verdict in verdicts]
    assert len(names) == len(set(names))
    assert {verdict.label for verdict in verdicts} <= {"pass", "fail"}
