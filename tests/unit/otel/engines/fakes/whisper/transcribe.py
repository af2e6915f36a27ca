"""The loop over windows."""

# ruff: noqa: D103

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whisper.audio import Mel, Samples, log_mel_spectrogram
from whisper.decoding import DecodingOptions, DecodingResult
from whisper.timing import add_word_timestamps
from whisper.tokenizer import get_tokenizer

if TYPE_CHECKING:
    from whisper.model import Whisper


def transcribe(
    model: Whisper,
    audio: str | Samples,
    *,
    verbose: bool | None = None,
    temperature: float | tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    compression_ratio_threshold: float | None = 2.4,
    logprob_threshold: float | None = -1.0,
    no_speech_threshold: float | None = 0.6,
    word_timestamps: bool = False,
    **decode_options: Any,
) -> dict[str, Any]:
    mel = log_mel_spectrogram(audio, 80, padding=480000)
    if decode_options.get("language") is None:
        decode_options["language"] = "en"
        if model.is_multilingual:
            _, probs = model.detect_language(mel)
            decode_options["language"] = max(probs, key=probs.__getitem__)
    language: str = decode_options["language"]
    task: str = decode_options.get("task", "transcribe")
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=99, language=language, task=task)

    def decode_with_fallback(segment: Mel) -> DecodingResult:
        temperatures = [temperature] if isinstance(temperature, int | float) else temperature
        for t in temperatures:
            result = model.decode(segment, DecodingOptions(**decode_options, temperature=t))
            silent = no_speech_threshold is not None and result.no_speech_prob > no_speech_threshold
            if logprob_threshold is None or result.avg_logprob >= logprob_threshold or silent:
                break
        return result

    segments: list[dict[str, Any]] = []
    for at in range(len(model.heard.windows)):
        model.heard.at = at
        window = Mel()
        result = decode_with_fallback(window)
        no_speech = no_speech_threshold is not None and result.no_speech_prob > no_speech_threshold
        if no_speech and (logprob_threshold is None or result.avg_logprob <= logprob_threshold):
            continue
        found = [_segment(at, result)]
        if word_timestamps:
            add_word_timestamps(
                segments=found,
                model=model,
                tokenizer=tokenizer,
                mel=window,
                num_frames=3000,
                last_speech_timestamp=0.0,
            )
        segments.extend(found)
    return {"text": "".join(one["text"] for one in segments), "segments": segments, "language": language}


def _segment(at: int, result: DecodingResult) -> dict[str, Any]:
    return {
        "id": at,
        "seek": at * 3000,
        "start": at * 30.0,
        "end": at * 30.0 + 2.0,
        "text": result.text,
        "tokens": [1],
        "temperature": result.temperature,
        "avg_logprob": result.avg_logprob,
        "compression_ratio": result.compression_ratio,
        "no_speech_prob": result.no_speech_prob,
    }
