"""A Piper that speaks a tenth of a second per phoneme, and sentences that end in a full stop."""

# The engine's names and signatures, which are not documented here.
# ruff: noqa: D101, D102, PLR0917

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    import wave
    from collections.abc import Iterator

SAMPLE_RATE = 1000


class Samples(list[float]):
    @property
    def size(self) -> int:
        return len(self)


@dataclass
class PiperConfig:
    sample_rate: int
    espeak_voice: str

    @staticmethod
    def from_dict(config: dict[str, Any]) -> PiperConfig:
        return PiperConfig(sample_rate=config["audio"]["sample_rate"], espeak_voice=config["espeak"]["voice"])


@dataclass
class AudioChunk:
    sample_rate: int
    audio_float_array: Samples
    sample_width: int = 2
    sample_channels: int = 1

    @property
    def audio_int16_bytes(self) -> bytes:
        return bytes(2 * self.audio_float_array.size)


@dataclass
class PiperVoice:
    session: object
    config: PiperConfig
    #: What the test wants to go wrong, by the phonemes of the sentence.
    errors: dict[str, BaseException] = field(default_factory=dict)
    spans_while_working: list[Any] = field(default_factory=list)

    @staticmethod
    def load(
        model_path: str | Path,
        config_path: str | Path | None = None,
        use_cuda: bool = False,
        espeak_data_dir: str | Path = "",
        download_dir: str | Path | None = None,
        include_alignments: bool = False,
    ) -> PiperVoice:
        text = Path(config_path or f"{model_path}.json").read_text(encoding="utf-8")
        return PiperVoice(session="session", config=PiperConfig.from_dict(json.loads(text)))

    def phonemize(self, text: str) -> list[list[str]]:
        if "unspeakable" in self.errors:
            raise self.errors["unspeakable"]
        return [list(sentence.strip()) for sentence in text.split(".") if sentence.strip()]

    def phonemes_to_ids(self, phonemes: list[str]) -> list[int]:
        return [ord(phoneme) for phoneme in phonemes]

    def synthesize(
        self, text: str, syn_config: object = None, include_alignments: bool = False
    ) -> Iterator[AudioChunk]:
        for phonemes in self.phonemize(text):
            self.spans_while_working.append(trace.get_current_span())
            result = self.phoneme_ids_to_audio(
                self.phonemes_to_ids(phonemes), syn_config, include_alignments=include_alignments
            )
            samples = result[0] if isinstance(result, tuple) else result
            yield AudioChunk(sample_rate=self.config.sample_rate, audio_float_array=samples)

    def synthesize_wav(
        self,
        text: str,
        wav_file: wave.Wave_write,
        syn_config: object = None,
        set_wav_format: bool = True,
        include_alignments: bool = False,
    ) -> list[object] | None:
        chunks = self.synthesize(text, syn_config=syn_config, include_alignments=include_alignments)
        for index, chunk in enumerate(chunks):
            if set_wav_format and index == 0:
                wav_file.setframerate(chunk.sample_rate)
                wav_file.setsampwidth(chunk.sample_width)
                wav_file.setnchannels(chunk.sample_channels)
            wav_file.writeframes(chunk.audio_int16_bytes)
        return [] if include_alignments else None

    def phoneme_ids_to_audio(
        self, phoneme_ids: list[int], syn_config: object = None, include_alignments: bool = False
    ) -> Samples | tuple[Samples, None]:
        said = "".join(map(chr, phoneme_ids))
        if said in self.errors:
            raise self.errors[said]
        samples = Samples([0.5] * (len(phoneme_ids) * SAMPLE_RATE // 10))
        return (samples, None) if include_alignments else samples
