"""Audio, which is as long as it says and else empty."""

# ruff: noqa: D102, D103

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE = 16000


@dataclass
class Samples:
    """An array or a tensor."""

    length: int = SAMPLE_RATE * 4

    @property
    def shape(self) -> tuple[int]:
        return (self.length,)


@dataclass(eq=False)
class Mel:
    """A spectrogram; each is itself alone, as tensors are."""


def load_audio(file: str, sr: int = SAMPLE_RATE) -> Samples:
    if "broken" in file:
        raise RuntimeError(f"Failed to load audio: {file}: Invalid data found")
    return Samples()


def log_mel_spectrogram(
    audio: str | Samples, n_mels: int = 80, padding: int = 0, device: object = None
) -> Mel:
    if isinstance(audio, str):
        load_audio(audio)
    return Mel()
