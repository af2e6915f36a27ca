"""WAV audio: its duration, from its head and its size alone, and its samples."""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from typing import Final

#: In so much of a file stands where its audio begins.
HEAD_BYTES: Final = 4096
_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_PCM: Final = 1
_SIXTEEN_BITS: Final = 16


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands before the audio: its format, where it starts, and its declared length in bytes."""

    encoding: int
    channels: int
    rate: int
    byte_rate: int
    bits: int
    start: int
    length: int


def wav_seconds(head: bytes, size: int) -> float | None:
    """
    Return the duration, or None when the head is not that of a WAV file.

    A program that writes to a pipe cannot go back and fill in the length, so a
    declared length beyond the end of the audio gives way to what is there.
    """
    found = _head(head)
    if found is None or not found.byte_rate:
        return None
    return min(found.length, max(size - found.start, 0)) / found.byte_rate


def wav_samples(audio: bytes) -> tuple[array[int], int] | None:
    """
    Return the samples and their rate per second, as far as they are there.

    None when it is no WAV file, or one of another form than 16-bit mono.
    """
    found = _head(audio)
    if found is None or (found.encoding, found.channels, found.bits) != (_PCM, 1, _SIXTEEN_BITS):
        return None
    data = audio[found.start : found.start + found.length]
    samples = array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return (samples, found.rate) if found.rate else None


def _head(audio: bytes) -> _Head | None:
    head = audio[:HEAD_BYTES]
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    form = (0, 0, 0, 0, 0, 0)
    offset = 12
    while offset + _CHUNK.size <= len(head):
        name, length = _CHUNK.unpack_from(head, offset)
        offset += _CHUNK.size
        if name == b"fmt " and offset + _FORMAT.size <= len(head):
            form = _FORMAT.unpack_from(head, offset)
        elif name == b"data":
            encoding, channels, rate, byte_rate, _, bits = form
            return _Head(encoding, channels, rate, byte_rate, bits, offset, length)
        offset += length + length % 2
    return None
