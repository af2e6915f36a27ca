"""The health of audio: golden recordings, made up and measured."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from voxtrace.audio import FLOOR, AudioHealth, measure
from voxtrace.errors import MissingDependencyError, VoxtraceError

RATE = 16000


def tone(amplitude: float, seconds: float = 2.0) -> np.ndarray[Any, Any]:
    """A sine of 440 Hz."""
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)


def noise(amplitude: float, seconds: float = 2.0) -> np.ndarray[Any, Any]:
    """White noise of that root mean square, the same every time."""
    return np.random.default_rng(7).normal(0.0, amplitude, round(seconds * RATE))


SPEECHLIKE = np.concatenate([tone(0.2, 0.5), noise(0.001, 0.5)] * 4)


def test_silence_is_all_silence() -> None:
    """Digital silence has the lowest level there is, no noise to estimate, and never begins."""
    assert measure(np.zeros(2 * RATE, dtype="float32"), RATE) == AudioHealth(
        duration=2.0,
        peak_level=-120.0,
        loudness=-120.0,
        clipping_ratio=0.0,
        silence_ratio=1.0,
        dc_offset=0.0,
        snr=None,
        leading_silence=2.0,
    )


def test_a_tone_has_the_levels_of_a_sine() -> None:
    """A sine of half of full scale peaks at -6 dBFS, and its root mean square is 3 dB below."""
    health = measure(tone(0.5), RATE)
    assert health.peak_level == pytest.approx(-6.02, abs=0.01)
    assert health.loudness == pytest.approx(-9.03, abs=0.01)
    assert (health.clipping_ratio, health.silence_ratio, health.leading_silence) == (0.0, 0.0, 0.0)
    assert health.dc_offset == pytest.approx(0.0, abs=1e-6)


def test_white_noise_has_no_signal_above_it() -> None:
    """The frames of steady noise differ by next to nothing."""
    health = measure(noise(0.1), RATE)
    assert health.loudness == pytest.approx(-20.0, abs=0.1)
    assert health.snr is not None
    assert 0.0 < health.snr < 2.0


def test_speech_with_pauses_stands_above_its_noise() -> None:
    """A signal 43 dB above the noise of its pauses is estimated at that."""
    health = measure(SPEECHLIKE, RATE)
    assert health.snr == pytest.approx(43.0, abs=1.0)
    assert health.silence_ratio == pytest.approx(0.5, abs=0.01)


def test_digital_silence_is_no_noise_floor() -> None:
    """A gate or padding that leaves exact zeros does not make noise look clean."""
    gated = np.concatenate([noise(0.1), np.zeros(4 * RATE)])
    assert measure(gated, RATE).snr == pytest.approx(measure(noise(0.1), RATE).snr, abs=0.01)


@pytest.mark.parametrize(("frames", "known"), [(24, False), (25, True)])
def test_short_sound_has_no_estimate_of_its_noise(frames: int, known: bool) -> None:
    """Half a second is the least that says something about noise."""
    assert (measure(noise(0.1)[: frames * 320], RATE).snr is not None) is known


def test_a_clipped_tone_is_clipped_as_often_as_it_is_cut() -> None:
    """Of a sine cut at half its height, two thirds are at full scale."""
    health = measure(np.clip(tone(2.0), -1.0, 1.0), RATE)
    assert health.clipping_ratio == pytest.approx(2 / 3, abs=0.01)
    assert health.peak_level == 0.0


def test_a_single_full_sample_is_a_peak_and_no_clipping() -> None:
    """Clipping is two samples in a row, also on both sides of a block's border."""
    samples = np.zeros(256 * 320 * 2)
    samples[100] = 1.0
    assert measure(samples, RATE).clipping_ratio == 0.0
    samples[256 * 320 - 1] = samples[256 * 320] = -0.99
    assert measure(samples, RATE).clipping_ratio == 2 / len(samples)


def test_a_dc_offset_is_neither_loud_nor_sound() -> None:
    """A constant is found as an offset, and silence remains silence."""
    health = measure(np.full(RATE, 0.25, dtype="float32"), RATE)
    assert health.dc_offset == pytest.approx(0.25)
    assert (health.loudness, health.silence_ratio, health.snr) == (FLOOR, 1.0, None)
    assert health.peak_level == pytest.approx(-12.04, abs=0.01)


def test_leading_silence_ends_with_the_first_frame_of_sound() -> None:
    """Half a second of near silence before a tone is told to the frame."""
    samples = np.concatenate([noise(0.001, 0.5), tone(0.2)])
    assert measure(samples, RATE).leading_silence == pytest.approx(0.5)


@pytest.mark.parametrize(("level", "silent"), [(-50.1, 1.0), (-49.9, 0.0)])
def test_silence_ends_at_minus_50(level: float, silent: float) -> None:
    """A frame below -50 dBFS is silence, one above is not."""
    wave = np.resize([1.0, -1.0], RATE) * 10 ** (level / 20)
    assert measure(wave, RATE).silence_ratio == silent


@pytest.mark.parametrize("empty", [[], np.array([], dtype="int16"), np.zeros((0, 2)), np.zeros((2, 0))])
def test_nothing_has_health_too(empty: Any) -> None:
    """Without samples there are no seconds, and all of them are silent."""
    health = measure(empty, RATE)
    assert (health.duration, health.silence_ratio, health.loudness) == (0.0, 1.0, FLOOR)


@pytest.mark.parametrize(
    "recorded",
    [
        (SPEECHLIKE * 32768).astype("int16"),
        (SPEECHLIKE * 2**31).astype("int32"),
        (SPEECHLIKE * 32768 + 32768).astype("uint16"),
        SPEECHLIKE.astype("float32"),
        SPEECHLIKE.tolist(),
        np.stack([SPEECHLIKE, SPEECHLIKE]),
        np.stack([SPEECHLIKE * 2, SPEECHLIKE * 0], axis=1),
        SPEECHLIKE[:, None],
        SPEECHLIKE[None, :],
    ],
    ids=["int16", "int32", "uint16", "float32", "list", "(2, n)", "(n, 2)", "(n, 1)", "(1, n)"],
)
def test_every_form_of_a_recording_measures_the_same(recorded: Any) -> None:
    """Integers are scaled by their type, and channels are averaged whichever axis they are on."""
    health, expected = measure(recorded, RATE), measure(SPEECHLIKE, RATE)
    assert health.duration == expected.duration
    assert health.silence_ratio == expected.silence_ratio
    assert health.peak_level == pytest.approx(expected.peak_level, abs=0.01)
    assert health.loudness == pytest.approx(expected.loudness, abs=0.01)
    assert health.snr == pytest.approx(expected.snr, abs=0.5)


def test_samples_that_are_no_numbers_count_as_nothing() -> None:
    """NaN is 0, infinity is held to the largest sample, and neither spoils the rest."""
    samples = SPEECHLIKE.copy()
    samples[:320] = np.nan
    assert measure(samples, RATE).leading_silence == pytest.approx(0.02)
    samples[0] = -np.inf
    assert measure(samples, RATE).peak_level == pytest.approx(90.3, abs=0.1)


@given(
    arrays.arrays(
        dtype=st.sampled_from(["float16", "float32", "float64", "int8", "int16", "uint8", "int64"]),
        shape=arrays.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=700).filter(
            lambda shape: len(shape) == 1 or min(shape) <= 8
        ),
    ),
    st.floats(1.0, 200.0),
)
def test_whatever_the_samples_are_there_is_a_measure(samples: Any, rate: float) -> None:
    """Any numbers at any rate give finite figures in their ranges, without a warning."""
    health = measure(samples, rate)
    assert FLOOR <= health.loudness <= 91
    assert FLOOR <= health.peak_level <= 91
    assert 0 <= health.clipping_ratio <= 1
    assert 0 <= health.silence_ratio <= 1
    assert abs(health.dc_offset) <= 32768
    assert 0 <= health.leading_silence <= health.duration
    assert health.snr is None or 0 <= health.snr <= 91 - FLOOR


@pytest.mark.parametrize("samples", [["a"], [True], [1j], np.zeros(3, dtype="datetime64[s]")])
def test_what_is_no_number_is_refused(samples: Any) -> None:
    """Samples that cannot be added are the caller's mistake."""
    with pytest.raises(TypeError, match="give floats or integers"):
        measure(samples, RATE)


@pytest.mark.parametrize("shape", [(), (9, 9), (2, 2, 2)])
def test_a_shape_without_meaning_is_refused(shape: tuple[int, ...]) -> None:
    """Samples are mono, or have up to eight channels."""
    with pytest.raises(ValueError, match=r"at most 8 channels"):
        measure(np.zeros(shape), RATE)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_sample_rate_without_meaning_is_refused(rate: float) -> None:
    """A rate is above 0 and finite."""
    with pytest.raises(ValueError, match="such as 16000"):
        measure(SPEECHLIKE, rate)


def test_without_numpy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module imports without numpy; measuring says what is missing."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingDependencyError, match="pip install numpy") as caught:
        measure([0.0], RATE)
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, VoxtraceError)
