"""What one transcription looks like as spans and metrics."""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from unit.otel.engines.reading import only, tree, without_times
from voxtrace.engines import FasterWhisperInstrumentor

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

AUDIO = [0.0] * 64000
SHARED = {"gen_ai.provider.name": "faster_whisper", "gen_ai.request.model": "tiny"}


def test_the_stages_of_a_transcription_are_its_children(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """Load, voice activity, features, language, encode, decode and align nest under one root."""
    segments, _ = whisper.WhisperModel("tiny").transcribe("a.wav", vad_filter=True, word_timestamps=True)
    list(segments)
    assert tree(telemetry) == [
        "speech.model.load tiny",
        "speech_to_text tiny",
        "  speech.audio.load",
        "  speech.vad",
        "  speech.asr.features",
        "  speech.asr.detect_language",
        "    speech.asr.encode",
        "  speech.asr.encode",
        "  speech.asr.decode",
        "  speech.asr.align",
    ]


def test_the_root_says_what_was_asked_heard_and_found(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """The root's attributes are exactly these, and hold no text."""
    segments, _ = whisper.WhisperModel("tiny").transcribe("a.wav", vad_filter=True)
    list(segments)
    assert without_times(only(telemetry, "speech_to_text tiny")) == {
        **SHARED,
        "gen_ai.operation.name": "speech_to_text",
        "gen_ai.output.type": "text",
        "speech.asr.avg_logprob": -0.5,
        "speech.asr.beam_size": 5,
        "speech.asr.character.count": 9,
        "speech.asr.compression_ratio": 1.5,
        "speech.asr.confidence": pytest.approx(0.6065, abs=1e-4),
        "speech.asr.decode.count": 1,
        "speech.asr.encode.count": 2,
        "speech.asr.fallback.count": 0,
        "speech.asr.language": "es",
        "speech.asr.no_speech_probability": 0.25,
        "speech.asr.segment.count": 1,
        "speech.asr.task": "transcribe",
        "speech.asr.vad.enabled": True,
        "speech.asr.window.aggregated": 0,
        "speech.asr.window.count": 1,
        "speech.asr.window.skipped": 0,
        "speech.asr.word.count": 2,
        "speech.asr.word_timestamps": False,
        "speech.audio.clipping_ratio": 0.0,
        "speech.audio.dc_offset": pytest.approx(0.0),
        "speech.audio.duration": 4.0,
        "speech.audio.loudness": pytest.approx(-13.29, abs=0.01),
        "speech.audio.peak_level": pytest.approx(-12.04, abs=0.01),
        "speech.audio.silence_ratio": 0.24,
        "speech.audio.snr": pytest.approx(47.96, abs=0.01),
        "speech.audio.speech_duration": 3.0,
        "speech.engine.cold": True,
        "speech.language.detected": "es",
        "speech.language.probability": 0.75,
    }


def test_the_real_time_factor_is_engine_time_by_audio_time(
    whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """The factor counts the engine's work; what the reader does between segments is not in it."""
    segments, _ = whisper.WhisperModel("tiny").transcribe(AUDIO)
    list(segments)
    root = only(telemetry, "speech_to_text tiny")
    assert 0 < root["speech.engine.duration"] < 1
    assert root["speech.real_time_factor"] == pytest.approx(root["speech.engine.duration"] / 4.0)


@pytest.mark.parametrize(("model", "language"), [("tiny", "es"), ("tiny.en", None)])
def test_a_probability_that_is_always_1_is_not_recorded(
    whisper: Any, telemetry: CapturedTelemetry, model: str, language: str | None
) -> None:
    """Where nothing was detected, the engine's constant 1 does not pass for a measurement."""
    list(whisper.WhisperModel(model).transcribe(AUDIO, language=language)[0])
    root = only(telemetry, f"speech_to_text {model}")
    assert "speech.language.detected" not in root
    assert "speech.language.probability" not in root
    assert root.get("speech.language.requested") == language


def test_each_attempt_is_a_decode_span_with_its_own_temperature(
    whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """When all temperatures fail, the engine reports the last for a text of another: the root names none."""
    model = whisper.WhisperModel("tiny.en")
    model.heard.windows = [
        whisper.Window(attempts=((0.0, False), (0.2, False), (0.4, False))),
        whisper.Window(segments=()),
    ]
    (segment,) = model.transcribe(AUDIO)[0]
    assert segment.temperature == 0.4
    spans = [span["attributes"] for span in telemetry.spans() if span["name"] == "speech.asr.decode"]
    assert spans == [
        {"speech.asr.attempt": 1, "speech.asr.temperature": 0.0, "speech.asr.window.index": 0},
        {"speech.asr.attempt": 2, "speech.asr.temperature": 0.2, "speech.asr.window.index": 0},
        {"speech.asr.attempt": 3, "speech.asr.temperature": 0.4, "speech.asr.window.index": 0},
        {"speech.asr.attempt": 1, "speech.asr.temperature": 0.0, "speech.asr.window.index": 1},
    ]
    root = only(telemetry, "speech_to_text tiny.en")
    assert root["speech.asr.fallback.count"] == 2
    assert "speech.asr.temperature" not in root


def test_windows_that_the_engine_drops_as_silent_are_counted(
    whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """A silent window gives no segment, and still counts as a window."""
    model = whisper.WhisperModel("tiny.en")
    model.heard.windows = [whisper.Window(no_speech_prob=0.9, avg_logprob=-2.0), whisper.Window()]
    assert len(list(model.transcribe(AUDIO)[0])) == 1
    root = only(telemetry, "speech_to_text tiny.en")
    assert (root["speech.asr.window.count"], root["speech.asr.window.skipped"]) == (2, 1)


def test_long_audio_has_spans_for_its_first_windows_and_sums_for_all(
    fake_whisper: None, telemetry: CapturedTelemetry
) -> None:
    """Windows beyond the limit are counted and timed on the root, without spans."""
    FasterWhisperInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider, window_spans=2
    )
    try:
        module: Any = importlib.import_module("faster_whisper.transcribe")
        model = module.WhisperModel("tiny.en")
        model.heard.windows = [module.Window(attempts=((0.0, False), (0.2, True))) for _ in range(5)]
        list(model.transcribe(AUDIO, word_timestamps=True)[0])
    finally:
        FasterWhisperInstrumentor().uninstrument()
    names = [span["name"] for span in telemetry.spans()]
    counts = [names.count(f"speech.asr.{stage}") for stage in ("encode", "decode", "align")]
    root = only(telemetry, "speech_to_text tiny.en")
    assert counts == [2, 4, 2]
    assert [root[f"speech.asr.{stage}.count"] for stage in ("encode", "decode", "align")] == [5, 10, 5]
    assert root["speech.asr.window.aggregated"] == 3
    stages = {
        point["attributes"]["speech.stage.name"]: point["count"]
        for point in telemetry.metrics()["speech.stage.duration"]
    }
    assert (stages["encode"], stages["decode"], stages["align"]) == (5, 10, 5)


def test_a_batch_counts_its_windows(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """The batched pipeline has the same root; one encode and one decode span stand for a batch."""
    model = whisper.WhisperModel("tiny.en")
    model.heard.windows = [whisper.Window() for _ in range(3)]
    list(whisper.BatchedInferencePipeline(model).transcribe(AUDIO, batch_size=2)[0])
    assert tree(telemetry)[1:] == [
        "speech_to_text tiny.en",
        "  speech.vad",
        "  speech.asr.features",
        "  speech.asr.features",
        "  speech.asr.features",
        "  speech.asr.encode",
        "  speech.asr.decode",
        "  speech.asr.encode",
        "  speech.asr.decode",
    ]
    root = only(telemetry, "speech_to_text tiny.en")
    assert (root["speech.asr.window.count"], root["speech.asr.batch_size"]) == (3, 2)


def test_the_metrics_carry_names_of_low_cardinality(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """Operation, provider, model and stage are all that a metric tells apart."""
    list(whisper.WhisperModel("tiny").transcribe("secret.wav")[0])
    found = {
        (name, tuple(sorted(point["attributes"].items()))): point.get("count", point.get("value"))
        for name, points in telemetry.metrics().items()
        for point in points
        if not name.endswith("compute.time")
    }
    operation = tuple(sorted({**SHARED, "gen_ai.operation.name": "speech_to_text"}.items()))
    heard = (*operation, ("speech.asr.language", "es"))

    def stage(name: str) -> tuple[tuple[str, str], ...]:
        return (*operation, ("speech.stage.name", name))

    assert found == {
        ("gen_ai.client.operation.duration", heard): 1,
        ("speech.audio.duration", heard): 1,
        ("speech.real_time_factor", heard): 1,
        ("speech.language.probability", heard): 1,
        ("speech.segments", heard): 1,
        ("speech.words", heard): 2,
        ("speech.characters", heard): 9,
        ("speech.usage.audio", (*heard, ("speech.usage.outcome", "completed"))): 4.0,
        ("speech.model.load.duration", tuple(sorted(SHARED.items()))): 1,
        ("speech.model.loaded", tuple(sorted(SHARED.items()))): 0,
        ("speech.stage.duration", stage("audio_load")): 1,
        ("speech.stage.duration", stage("feature_extraction")): 1,
        ("speech.stage.duration", stage("language_detection")): 1,
        ("speech.stage.duration", stage("encode")): 2,
        ("speech.stage.duration", stage("decode")): 1,
    }


def test_a_model_is_counted_while_it_lives(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """A loaded model adds one to the models in memory, and takes it away when it is dropped."""
    model = whisper.WhisperModel("tiny")
    (point,) = telemetry.metrics()["speech.model.loaded"]
    assert (point["value"], point["attributes"]) == (1, SHARED)
    del model
    gc.collect()
    (point,) = telemetry.metrics()["speech.model.loaded"]
    assert point["value"] == 0


def test_only_the_first_work_with_a_model_is_cold(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """The first transcription after the load is told from the others."""
    model = whisper.WhisperModel("tiny")
    for _ in range(2):
        list(model.transcribe("a.wav")[0])
    cold = [
        span["attributes"]["speech.engine.cold"]
        for span in telemetry.spans()
        if span["name"] == "speech_to_text tiny"
    ]
    assert cold == [True, False]


def test_a_model_that_cannot_be_loaded_is_an_error_span_without_its_message(
    whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """The engine's exception passes unchanged; its text, which may hold a path, stays out."""
    with pytest.raises(RuntimeError, match="unable to open tiny"):
        whisper.WhisperModel("tiny", device="broken")
    (span,) = telemetry.spans()
    assert {key: value for key, value in span.items() if key not in {"start", "end"}} == {
        "name": "speech.model.load tiny",
        "trace": 1,
        "span": 1,
        "status": "ERROR",
        "attributes": {**SHARED, "error.type": "RuntimeError"},
    }


def test_a_loaded_model_tells_its_device(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """Device and compute type are those in use, not those asked for."""
    whisper.WhisperModel("tiny", compute_type="default")
    assert only(telemetry, "speech.model.load tiny") == {
        **SHARED,
        "speech.asr.compute_type": "int8",
        "speech.asr.device": "cpu",
    }


def test_a_failure_of_the_eager_part_ends_the_span(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """An unreadable file fails before there are segments: span ERROR, a duration, no factor."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        whisper.WhisperModel("tiny").transcribe(AUDIO, nonsense=1)
    span = telemetry.spans()[-1]
    assert (span["name"], span["status"]) == ("speech_to_text tiny", StatusCode.ERROR.name)
    assert span["attributes"]["error.type"] == "TypeError"
    (point,) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert point["attributes"]["error.type"] == "TypeError"
    assert "speech.real_time_factor" not in telemetry.metrics()


def test_functions_of_the_engine_outside_a_transcription_are_left_alone(
    whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """A stage without its operation would be a root of its own, so it is no span."""
    model = whisper.WhisperModel("tiny")
    telemetry.clear()
    assert model.detect_language(AUDIO)[0] == "es"
    assert whisper.decode_audio("a.wav")
    assert telemetry.spans() == []


def test_the_parent_is_the_span_that_was_current_at_the_call(
    whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """The root belongs to the caller of transcribe, also when the segments are read elsewhere."""
    model = whisper.WhisperModel("tiny.en")
    telemetry.clear()
    tracer = telemetry.tracer("test")
    with tracer.start_as_current_span("process"):
        segments, _ = model.transcribe(AUDIO)
    with tracer.start_as_current_span("elsewhere"):
        list(segments)
        assert trace.get_current_span().is_recording()
    assert tree(telemetry) == [
        "process",
        "  speech_to_text tiny.en",
        "    speech.asr.features",
        "elsewhere",
        "    speech.asr.encode",
        "    speech.asr.decode",
    ]
