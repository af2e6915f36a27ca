"""Recordings for tests: made on the spot, so that no sound is committed."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import wave
from functools import cache

_RATE = 16_000


@cache
def wav(seconds: float = 1.0) -> bytes:
    """A tone as a 16 kHz mono WAV file."""
    samples = b"".join(
        struct.pack("<h", int(8000 * math.sin(index / 8))) for index in range(round(seconds * _RATE))
    )
    return wav_of(samples)


def wav_of(samples: bytes, *, channels: int = 1, claimed: int | None = None) -> bytes:
    """A WAV file with a header that says what it is told to say."""
    if claimed is None and channels == 1:
        target = io.BytesIO()
        with wave.open(target, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes(samples)
        return target.getvalue()
    size = len(samples) if claimed is None else claimed
    width = (channels * 2) & 0xFFFF
    form = struct.pack("<IHHIIHH", 16, 1, channels, _RATE, _RATE * width & 0xFFFFFFFF, width, 16)
    riff = struct.pack("<I", (36 + size) & 0xFFFFFFFF)
    return b"RIFF" + riff + b"WAVEfmt " + form + b"data" + struct.pack("<I", size) + samples


@cache
def encoded(container: str, seconds: float = 1.0) -> bytes:
    """A tone in another container, encoded by ffmpeg."""
    form = {"m4a": "ipod", "ogg": "ogg", "webm": "webm"}.get(container, container)
    codec = {"webm": ["-c:a", "libopus"], "ogg": ["-c:a", "libvorbis"]}.get(container, [])
    # An MP4 file's index is written last and then put first: its target must be seekable.
    flags = ["-movflags", "frag_keyframe+empty_moov"] if container == "m4a" else []
    return subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "wav", "-i", "pipe:0", *codec, *flags, "-f", form, "pipe:1"],
        input=wav(seconds),
        capture_output=True,
        check=True,
    ).stdout
