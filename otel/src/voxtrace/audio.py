"""
The health of audio: how loud, how clipped, how silent, how noisy.

What is told is a proxy: it says whether a recording is likely to be hard to transcribe, not how well it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from voxtrace.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from numpy.typing import ArrayLike, NDArray

__all__ = ["AudioHealth", "measure"]

#: The level of digital silence, in dBFS; nothing is quieter.
FLOOR: Final = -120.0
#: Of full scale: samples from here on, two in a row or more, are clipped.
_CLIPPED: Final = 0.99
#: A frame that is quieter is silence, in dBFS.
_SILENT: Final = -50.0
_FRAME_SECONDS: Final = 0.02
#: Half a second: of less audio the quietest frames are no picture of its noise.
_NOISE_FRAMES: Final = 25
_NOISE_PERCENTILE, _SIGNAL_PERCENTILE = 10, 95
#: Some 5 s at a time: an hour of audio needs no second copy in memory, and a block stays in the cache.
_BLOCK_FRAMES: Final = 256
#: What a sample may be at most: integers that were never scaled are loud, but they can be measured.
_LARGEST: Final = 32768.0
_MOST_CHANNELS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioHealth:
    """
    What the samples of a recording say about it; levels are in dBFS, where a full-scale square wave has 0.

    Attributes:
        duration: In seconds.
        peak_level: Level of the loudest sample, in dBFS; `FLOOR` for digital silence.
        loudness: Level of the root mean square without the DC offset, in dBFS. It is not weighted as LUFS is.
        clipping_ratio: Share of samples at 99 % of full scale or more, two in a row or more, from 0 to 1.
        silence_ratio: Share of 20 ms frames below -50 dBFS, from 0 to 1; 1 when there is no sample at all.
        dc_offset: Mean of the samples, as a part of full scale: 0.1 is a tenth of it.
        snr: Estimate of the signal-to-noise ratio in dB: the level of the loud frames (95th percentile) above
            that of the quiet ones (10th), digital silence left out. None for less than half a second of the
            rest. Sound without a pause, such as music or a tone, looks like noise to it.
        leading_silence: Seconds before the first frame that is no silence; all of them where every frame is.
    """

    duration: float
    peak_level: float
    loudness: float
    clipping_ratio: float
    silence_ratio: float
    dc_offset: float
    snr: float | None
    leading_silence: float


_EMPTY: Final = AudioHealth(
    duration=0.0,
    peak_level=FLOOR,
    loudness=FLOOR,
    clipping_ratio=0.0,
    silence_ratio=1.0,
    dc_offset=0.0,
    snr=None,
    leading_silence=0.0,
)


def measure(samples: ArrayLike, sample_rate: float) -> AudioHealth:
    """
    Measure a recording in one pass.

    Args:
        samples: Floats of which 1.0 is full scale, or integers, whose full scale is that of their type
            (int16: 32768; unsigned ones are centred first). One dimension is mono; of two, the shorter one is
            the channels, eight at most, and they are averaged as engines do. NaN counts as 0; infinity, and
            whatever else is beyond it, as 32768.
        sample_rate: Samples per second and channel.

    Raises:
        MissingDependencyError: numpy is not installed.
        TypeError: The samples are no numbers.
        ValueError: The shape or the sample rate makes no sense.
    """
    numpy = _numpy()
    if not (math.isfinite(sample_rate) and sample_rate > 0):
        raise ValueError(f"The sample rate is {sample_rate}: give samples per second, such as 16000.")
    array = _oriented(numpy.asarray(samples))
    frame = max(round(sample_rate * _FRAME_SECONDS), 1)
    sums = _Sums()
    with numpy.errstate(all="ignore"):  # odd samples are dealt with, and are no warning to our caller
        for start, block in _blocks(numpy, array, frame * _BLOCK_FRAMES):
            sums.add(numpy, block, frame)
            if sums.block_peak >= _CLIPPED:
                sums.clipped += _clipped(numpy, array, start, len(block))
    return _health(numpy, sums, len(array), sample_rate, frame)


@dataclass(slots=True)
class _Sums:
    """What the blocks add up to."""

    peak: float = 0.0
    block_peak: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    clipped: int = 0
    #: Per block, the mean square of each frame around the frame's own mean.
    energies: list[NDArray[Any]] = field(default_factory=list)

    def add(self, numpy: ModuleType, block: NDArray[Any], frame: int) -> None:
        """Add a block of whole frames; the last one of all may be shorter."""
        self.block_peak = max(float(block.max()), -float(block.min()))
        self.peak = max(self.peak, self.block_peak)
        whole = len(block) - len(block) % frame
        for frames in (block[:whole].reshape(-1, frame), block[whole:].reshape(1, -1)):
            if not frames.size:
                continue
            sums, squares = frames.sum(axis=1), numpy.einsum("ij,ij->i", frames, frames)
            self.total += float(sums.sum())
            self.squares += float(squares.sum())
            length = frames.shape[1]
            self.energies.append(numpy.maximum(squares / length - (sums / length) ** 2, 0.0))


def _health(numpy: ModuleType, sums: _Sums, count: int, sample_rate: float, frame: int) -> AudioHealth:
    if not count:
        return _EMPTY
    energies = numpy.concatenate(sums.energies)
    sound = numpy.flatnonzero(energies >= _power(_SILENT))
    duration, mean = count / sample_rate, sums.total / count
    return AudioHealth(
        duration=duration,
        peak_level=_level(sums.peak**2),
        loudness=_level(max(sums.squares / count - mean**2, 0.0)),
        clipping_ratio=sums.clipped / count,
        silence_ratio=1.0 - len(sound) / len(energies),
        dc_offset=mean,
        snr=_snr(numpy, energies),
        leading_silence=int(sound[0]) * frame / sample_rate if len(sound) else duration,
    )


def _snr(numpy: ModuleType, energies: NDArray[Any]) -> float | None:
    """The spread of the frames' levels, in dB; a microphone is never digitally silent, a gate is."""
    heard = energies[energies > _power(FLOOR)]
    if len(heard) < _NOISE_FRAMES:
        return None
    noise, signal = numpy.percentile(heard, (_NOISE_PERCENTILE, _SIGNAL_PERCENTILE))
    return _level(float(signal)) - _level(float(noise))


def _blocks(numpy: ModuleType, array: NDArray[Any], length: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Cut the samples into blocks of numbers that can be added; with each, where it starts."""
    for start in range(0, len(array), length):
        yield start, _scaled(numpy, array[start : start + length])


def _scaled(numpy: ModuleType, block: NDArray[Any]) -> NDArray[Any]:
    """Return a block as mono floats of which 1.0 is full scale, none beyond the largest."""
    kind, bits = block.dtype.kind, block.dtype.itemsize * 8
    # Sums of float32 would drown a quiet signal in the rounding of its DC offset.
    block = block.astype(numpy.float64)
    if kind in "iu":
        full_scale = 2.0 ** (bits - 1)
        if kind == "u":
            block -= full_scale
        block /= full_scale
    if not max(block.max(), -block.min()) <= _LARGEST:  # also where one of them is NaN
        numpy.nan_to_num(block, copy=False, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
        block = block.clip(-_LARGEST, _LARGEST)
    return block.mean(axis=1) if block.ndim > 1 else block


def _clipped(numpy: ModuleType, array: NDArray[Any], start: int, length: int) -> int:
    """Count the samples of a block that are clipped as one of their neighbours is, beyond its ends too."""
    before = min(start, 1)
    hot = numpy.abs(_scaled(numpy, array[start - before : start + length + 1])) >= _CLIPPED
    beside = numpy.zeros_like(hot)
    beside[1:] |= hot[:-1]
    beside[:-1] |= hot[1:]
    return int(numpy.count_nonzero((hot & beside)[before : before + length]))


def _oriented(array: NDArray[Any]) -> NDArray[Any]:
    """Return the samples along the first axis."""
    if array.dtype.kind not in "iuf" and array.size:
        raise TypeError(f"The samples are of type {array.dtype}: give floats or integers.")
    if array.ndim not in {1, 2} or (array.ndim > 1 and min(array.shape) > _MOST_CHANNELS):
        raise ValueError(
            f"The samples have the shape {array.shape}: give (samples,), (samples, channels) or "
            f"(channels, samples), of at most {_MOST_CHANNELS} channels."
        )
    if not array.size:
        return array.reshape(-1)
    return array.T if array.ndim > 1 and array.shape[0] < array.shape[1] else array


def _level(power: float) -> float:
    return 10.0 * math.log10(max(power, _power(FLOOR)))


def _power(level: float) -> float:
    return float(10.0 ** (level / 10.0))


def _numpy() -> ModuleType:
    # Not at the top: everything else of the library runs without it.
    try:
        import numpy  # noqa: ICN001, PLC0415
    except ImportError as error:
        raise MissingDependencyError("Audio is measured with numpy: pip install numpy") from error
    return numpy
