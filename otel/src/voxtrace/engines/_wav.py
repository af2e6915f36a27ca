"""The duration of WAV audio, from its head and its size alone."""

from __future__ import annotations

import struct
from typing import Final

#: As much of a file as `wav_seconds` wants to see.
HEAD_BYTES: Final = 4096
_CHUNK: Final = struct.Struct("<4sI")
_BYTE_RATE_AT: Final = 8


def wav_seconds(head: bytes, size: int) -> float | None:
    """
    Return the duration, or None when the head is not that of a WAV file.

    A program that writes to a pipe cannot go back and fill in the length, so a
    declared length beyond the end of the audio gives way to what is there.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    byte_rate = 0
    offset = 12
    while offset + _CHUNK.size <= len(head):
        name, length = _CHUNK.unpack_from(head, offset)
        offset += _CHUNK.size
        if name == b"fmt " and offset + 16 <= len(head):
            (byte_rate,) = struct.unpack_from("<I", head, offset + _BYTE_RATE_AT)
        elif name == b"data":
            return min(length, max(size - offset, 0)) / byte_rate if byte_rate else None
        offset += length + length % 2
    return None
