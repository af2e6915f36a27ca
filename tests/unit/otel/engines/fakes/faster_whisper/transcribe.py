"""A Whisper that is told what it hears: each window is a list of attempts, each `(temperature, good)`."""

# The engine's names and signatures, which are not documented here.
# ruff: noqa: D101, D102, D103, PLR0917

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLING_RATE = 16000
#: Four seconds that sound like speech with pauses.
SPEECH: list[float] = ([0.25, -0.25] * 6000 + [0.001, -0.001] * 2000) * 4
#: What is in a file, by its name; in all others there is speech.
RECORDINGS: dict[object, list[float]] = {}


@dataclass
class Segment:
    start: float
    end: float
    text: str
    avg_logprob: float = -0.5
    compression_ratio: float = 1.5
    no_speech_prob: float = 0.25
    words: list[str] | None = None
    temperature: float | None = 0.0


@dataclass
class Window:
    """What the engine makes of one window."""

    #: Whether the attempt at each temperature is good enough.
    attempts: tuple[tuple[float, bool], ...] = ((0.0, True),)
    segments: tuple[Segment, ...] = (Segment(0.0, 2.0, " fresh air"),)
    no_speech_prob: float = 0.1
    avg_logprob: float = -0.5
    error: BaseException | None = None


@dataclass
class Options:
    windows: list[Window]
    word_timestamps: bool = False
    no_speech_threshold: float | None = 0.6
    log_prob_threshold: float | None = -1.0


@dataclass
class TranscriptionInfo:
    language: str
    language_probability: float
    duration: float
    duration_after_vad: float
    all_language_probs: list[tuple[str, float]] | None = None


class _CTranslate2Whisper:
    def __init__(self, *, is_multilingual: bool) -> None:
        self.is_multilingual = is_multilingual
        self.device = "cpu"
        self.compute_type = "int8"

    def generate(self, encoded: object, prompts: object, **options: object) -> list[object]:
        return [SimpleNamespace(no_speech_prob=0.1) for _ in range(len(list(prompts)))]  # type: ignore[call-overload]  # a stand-in


ctranslate2 = SimpleNamespace(models=SimpleNamespace(Whisper=_CTranslate2Whisper))


def decode_audio(
    input_file: object,
    sampling_rate: int = SAMPLING_RATE,
    split_stereo: bool = False,
) -> list[float]:
    return RECORDINGS.get(input_file, SPEECH)


def get_speech_timestamps(
    audio: list[float],
    vad_options: object = None,
    sampling_rate: int = SAMPLING_RATE,
) -> list[dict[str, int]]:
    return [{"start": 0, "end": len(audio) * 3 // 4}]


class FeatureExtractor:
    def __call__(self, waveform: list[float], padding: int = 160, chunk_length: int | None = None) -> str:
        return "features"


@dataclass
class Heard:
    """What a test wants the engine to hear, and what was current while it listened."""

    windows: list[Window] = field(default_factory=lambda: [Window()])
    spans_while_working: list[Any] = field(default_factory=list)


class WhisperModel:
    def __init__(
        self,
        model_size_or_path: str,
        device: str = "auto",
        device_index: int = 0,
        compute_type: str = "default",
        cpu_threads: int = 0,
        num_workers: int = 1,
        **model_kwargs: Any,
    ) -> None:
        if device == "broken":
            raise RuntimeError(f"unable to open {model_size_or_path}")
        self.model = ctranslate2.models.Whisper(is_multilingual=not model_size_or_path.endswith(".en"))
        self.feature_extractor = FeatureExtractor()
        self.heard = Heard()

    def transcribe(
        self,
        audio: object,
        language: str | None = None,
        task: str = "transcribe",
        log_progress: bool = False,
        beam_size: int = 5,
        vad_filter: bool = False,
        word_timestamps: bool = False,
    ) -> tuple[Any, TranscriptionInfo]:
        samples: Any = decode_audio(audio, sampling_rate=SAMPLING_RATE) if isinstance(audio, str) else audio
        duration = speech = len(samples) / SAMPLING_RATE
        if vad_filter:
            found = get_speech_timestamps(samples, None)
            speech = sum(chunk["end"] - chunk["start"] for chunk in found) / SAMPLING_RATE
        features = self.feature_extractor(samples)
        probabilities, probability = None, 1.0
        if not self.model.is_multilingual:
            language = "en"
        if language is None and self.model.is_multilingual:
            language, probability, probabilities = self.detect_language(features=features)
        info = TranscriptionInfo(language or "en", probability, duration, speech, probabilities)
        options = Options(self.heard.windows, word_timestamps=word_timestamps)
        return self.generate_segments(features, "tokenizer", options), info

    def generate_segments(self, features: str, tokenizer: str, options: Options) -> Iterator[Segment]:
        for window in options.windows:
            encoded = self.encode(features)
            if window.error is not None:
                raise window.error
            result, avg_logprob, temperature, _ = self.generate_with_fallback(
                encoded, [1], tokenizer, SimpleNamespace(**vars(options), window=window)
            )
            self.heard.spans_while_working.append(trace.get_current_span())
            if result.no_speech_prob > 0.6 and avg_logprob < -1.0:
                continue
            if options.word_timestamps:
                self.add_word_timestamps([window.segments], tokenizer, encoded, 3000, "", "", 0.0)
            for segment in window.segments:
                segment.temperature = temperature
                yield segment

    def encode(self, features: object) -> str:
        return "encoded"

    def generate_with_fallback(
        self, encoder_output: object, prompt: list[int], tokenizer: object, options: Any
    ) -> tuple[Any, float, float, float]:
        window: Window = options.window
        temperature = 0.0
        for temperature, good in window.attempts:
            sampling = {"sampling_temperature": temperature} if temperature > 0 else {"beam_size": 5}
            result = self.model.generate(encoder_output, [prompt], **sampling)[0]
            result.no_speech_prob = window.no_speech_prob  # type: ignore[attr-defined]  # a stand-in
            if good:
                break
        return result, window.avg_logprob, temperature, 1.5

    def add_word_timestamps(
        self,
        segments: Any,
        tokenizer: object,
        encoder_output: object,
        num_frames: int,
        prepend_punctuations: str,
        append_punctuations: str,
        last_speech_timestamp: float,
    ) -> float:
        for segment in segments[0]:
            segment.words = segment.text.split()
        return last_speech_timestamp

    def detect_language(
        self, audio: object = None, features: object = None
    ) -> tuple[str, float, list[tuple[str, float]]]:
        self.encode(features)
        return "es", 0.75, [("es", 0.75), ("pt", 0.25)]


class BatchedInferencePipeline:
    def __init__(self, model: WhisperModel) -> None:
        self.model = model
        self.last_speech_timestamp = 0.0

    def transcribe(
        self, audio: list[float], language: str | None = None, vad_filter: bool = True, batch_size: int = 8
    ) -> tuple[Any, TranscriptionInfo]:
        if vad_filter:
            get_speech_timestamps(audio, None)
        features = [self.model.feature_extractor(audio) for _ in self.model.heard.windows]
        info = TranscriptionInfo(language or "en", 1.0, len(audio) / SAMPLING_RATE, 3.0)
        return self._batched_segments_generator(features, "tokenizer", batch_size), info

    def _batched_segments_generator(
        self, features: list[str], tokenizer: str, batch_size: int
    ) -> Iterator[Segment]:
        for first in range(0, len(features), batch_size):
            batch = features[first : first + batch_size]
            self.generate_segment_batched(batch, tokenizer, None)
            for window in self.model.heard.windows[first : first + batch_size]:
                yield from window.segments

    def generate_segment_batched(
        self, features: list[str], tokenizer: object, options: object
    ) -> tuple[str, list[object]]:
        encoded = self.model.encode(features)
        results = self.model.model.generate(
            encoded, [[1] for _ in features], beam_size=5, sampling_temperature=0.0
        )
        return encoded, results
