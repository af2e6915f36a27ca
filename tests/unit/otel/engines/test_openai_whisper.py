"""What one transcription by openai-whisper looks like as spans and metrics."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context

from unit.otel.engines.reading import only, tree, without_times
from voxtrace.engines import OpenAIWhisperInstrumentor

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

SHARED = {"gen_ai.provider.name": "openai_whisper", "gen_ai.request.model": "tiny"}
STAGES = ["speech.asr.features", "speech.asr.tokenizer", "speech.asr.decode"]


def samples(seconds: int = 4) -> Any:
    """Return audio as an array or a tensor."""
    return importlib.import_module("whisper.audio").Samples(16000 * seconds)


def windows(*given: dict[str, Any]) -> list[Any]:
    """Return what a model is to hear."""
    return [importlib.import_module("whisper.model").Window(**window) for window in given]


def test_the_stages_of_a_transcription_are_its_children(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """The engine's own nesting shows: it loads in features, and encodes in each step that wants it."""
    openai_whisper.load_model("tiny").transcribe("a.wav", word_timestamps=True)
    assert tree(telemetry) == [
        "speech.model.load tiny",
        "speech_to_text tiny",
        "  speech.asr.features",
        "    speech.audio.load",
        "  speech.asr.detect_language",
        "    speech.asr.encode",
        "  speech.asr.tokenizer",
        "  speech.asr.decode",
        "    speech.asr.encode",
        "  speech.asr.align",
        "    speech.asr.encode",
    ]


def test_the_root_says_what_was_asked_heard_and_found(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """The root's attributes are exactly these, and hold no text."""
    openai_whisper.load_model("tiny").transcribe("a.wav", beam_size=5)
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
        "speech.asr.window.aggregated": 0,
        "speech.asr.window.count": 1,
        "speech.asr.window.skipped": 0,
        "speech.asr.word.count": 2,
        "speech.asr.word_timestamps": False,
        "speech.audio.duration": 4.0,
        "speech.engine.cold": True,
        "speech.language.detected": "es",
        "speech.language.probability": 0.75,
    }


@pytest.mark.parametrize("how", ["method", "function", "keywords", "unbound"])
def test_every_way_to_transcribe_is_one_root(
    openai_whisper: Any, telemetry: CapturedTelemetry, how: str
) -> None:
    """Method or function, by position or by name: one root of the right model, and the engine's result."""
    model = openai_whisper.load_model("tiny.en")
    telemetry.clear()
    result = {
        "method": lambda: model.transcribe(samples()),
        "function": lambda: openai_whisper.transcribe(model, samples()),
        "keywords": lambda: openai_whisper.transcribe(audio=samples(), model=model),
        "unbound": lambda: openai_whisper.Whisper.transcribe(model, samples()),
    }[how]()
    assert result["text"] == " fresh air"
    assert tree(telemetry) == [
        "speech_to_text tiny.en",
        *(f"  {name}" for name in STAGES),
        "    speech.asr.encode",
    ]


def test_a_method_that_calls_the_function_is_one_root(
    openai_whisper: Any, telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody made one of the two of the other, a transcription is still told once."""

    def theirs(wrapped: Any, model: Any, args: Any, kwargs: Any) -> Any:
        return openai_whisper.transcribe(model, *args, **kwargs)

    OpenAIWhisperInstrumentor().uninstrument()
    wrapt = importlib.import_module("wrapt")
    monkeypatch.setattr(
        openai_whisper.Whisper,
        "transcribe",
        wrapt.FunctionWrapper(vars(openai_whisper.Whisper)["transcribe"], theirs),
    )
    OpenAIWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    openai_whisper.load_model("tiny.en").transcribe(samples())
    assert [name for name in tree(telemetry) if "speech_to_text" in name] == ["speech_to_text tiny.en"]
    OpenAIWhisperInstrumentor().uninstrument()


@pytest.mark.parametrize(("audio", "seconds"), [("a.wav", 4.0), (None, 7.0)], ids=["path", "samples"])
def test_the_audio_is_as_long_as_its_samples(
    openai_whisper: Any, telemetry: CapturedTelemetry, audio: str | None, seconds: float
) -> None:
    """A path is measured when it is decoded, samples as they come; the factor is work by audio."""
    openai_whisper.load_model("tiny.en").transcribe(audio or samples(7))
    root = only(telemetry, "speech_to_text tiny.en")
    assert root["speech.audio.duration"] == seconds
    assert root["speech.real_time_factor"] == root["speech.engine.duration"] / seconds


@pytest.mark.parametrize(
    ("model", "language", "code"),
    [("tiny", "es", "es"), ("tiny", "Castilian", "es"), ("tiny.en", None, None)],
)
def test_a_language_that_was_not_detected_has_no_probability(
    openai_whisper: Any, telemetry: CapturedTelemetry, model: str, language: str | None, code: str | None
) -> None:
    """A language that was given, or is the model's only one, is no detection; its name becomes its code."""
    openai_whisper.load_model(model).transcribe(samples(), language=language)
    root = only(telemetry, f"speech_to_text {model}")
    assert "speech.language.detected" not in root
    assert "speech.language.probability" not in root
    assert root.get("speech.language.requested") == code
    assert root["speech.asr.language"] == (code or "en")


def test_each_attempt_is_a_decode_span_with_its_own_temperature(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """Attempts count from 1 in each window, and each encodes again."""
    model = openai_whisper.load_model("tiny.en")
    model.heard.windows = windows({"good_from": 0.4}, {})
    model.transcribe(samples())
    spans = [span["attributes"] for span in telemetry.spans() if span["name"] == "speech.asr.decode"]
    assert spans == [
        {"speech.asr.attempt": 1, "speech.asr.temperature": 0.0, "speech.asr.window.index": 0},
        {"speech.asr.attempt": 2, "speech.asr.temperature": 0.2, "speech.asr.window.index": 0},
        {"speech.asr.attempt": 3, "speech.asr.temperature": 0.4, "speech.asr.window.index": 0},
        {"speech.asr.attempt": 1, "speech.asr.temperature": 0.0, "speech.asr.window.index": 1},
    ]
    root = only(telemetry, "speech_to_text tiny.en")
    assert (root["speech.asr.fallback.count"], root["speech.asr.encode.count"]) == (2, 4)


def test_windows_that_the_engine_drops_as_silent_are_counted(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """A silent window is in no segment, and still a window; one that is only likely silent is none."""
    model = openai_whisper.load_model("tiny.en")
    model.heard.windows = windows({"no_speech_prob": 0.9, "avg_logprob": -2.0}, {"no_speech_prob": 0.9}, {})
    assert len(model.transcribe(samples())["segments"]) == 2
    root = only(telemetry, "speech_to_text tiny.en")
    assert (root["speech.asr.window.count"], root["speech.asr.window.skipped"]) == (3, 1)


def test_without_a_threshold_no_window_is_skipped(openai_whisper: Any, telemetry: CapturedTelemetry) -> None:
    """The thresholds are those of the call."""
    model = openai_whisper.load_model("tiny.en")
    model.heard.windows = windows({"no_speech_prob": 0.9, "avg_logprob": -2.0})
    model.transcribe(samples(), no_speech_threshold=None, logprob_threshold=None)
    assert only(telemetry, "speech_to_text tiny.en")["speech.asr.window.skipped"] == 0


def test_long_audio_has_spans_for_its_first_windows_and_sums_for_all(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """Of 40 windows, 32 have spans; all are counted, in spans and in metrics."""
    model = openai_whisper.load_model("tiny.en")
    model.heard.windows = windows(*[{"good_from": 0.2}] * 40)
    model.transcribe(samples(1200), word_timestamps=True)
    names = [span["name"] for span in telemetry.spans()]
    assert [names.count(f"speech.asr.{stage}") for stage in ("encode", "decode", "align")] == [96, 64, 32]
    root = only(telemetry, "speech_to_text tiny.en")
    assert [root[f"speech.asr.{stage}.count"] for stage in ("encode", "decode", "align")] == [120, 80, 40]
    assert (root["speech.asr.window.count"], root["speech.asr.window.aggregated"]) == (40, 8)
    stages = {
        point["attributes"]["speech.stage.name"]: point["count"]
        for point in telemetry.metrics()["speech.stage.duration"]
    }
    assert (stages["encode"], stages["decode"], stages["align"]) == (120, 80, 40)


def test_stages_add_up_to_what_the_engine_worked(openai_whisper: Any, telemetry: CapturedTelemetry) -> None:
    """A stage's duration is without that of stages inside it, so that nothing counts twice."""
    model = openai_whisper.load_model("tiny")
    model.encoder.takes = 0.1
    model.transcribe("a.wav")
    root = only(telemetry, "speech_to_text tiny")
    lasted = {
        point["attributes"]["speech.stage.name"]: point["sum"]
        for point in telemetry.metrics()["speech.stage.duration"]
    }
    assert lasted["encode"] == root["speech.asr.encode.duration"] > 0.2
    assert max(lasted["decode"], lasted["language_detection"]) < 0.1
    assert 0.2 < sum(lasted.values()) <= root["speech.engine.duration"]


def test_a_failure_passes_as_it_is_and_leaves_its_words_behind(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """What ffmpeg says holds the path: the caller gets it, telemetry the error's type alone."""
    model = openai_whisper.load_model("tiny.en")
    telemetry.clear()
    with pytest.raises(RuntimeError, match=r"Failed to load audio: /srv/ann/broken\.wav: Invalid data"):
        model.transcribe("/srv/ann/broken.wav")
    assert [(span["name"], span["status"]) for span in telemetry.spans()] == [
        ("speech_to_text tiny.en", "ERROR"),
        ("speech.asr.features", "ERROR"),
        ("speech.audio.load", "ERROR"),
    ]
    assert only(telemetry, "speech_to_text tiny.en")["error.type"] == "RuntimeError"
    assert "ann" not in f"{telemetry.spans()} {telemetry.metrics()}"
    assert "speech.real_time_factor" not in telemetry.metrics()


def test_a_failure_half_way_keeps_the_windows_before_it(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """The very exception leaves, and what was decoded up to it is counted."""
    model = openai_whisper.load_model("tiny.en")
    error = KeyboardInterrupt()
    model.heard.windows = windows({}, {"error": error})
    with pytest.raises(KeyboardInterrupt) as caught:
        model.transcribe(samples())
    assert caught.value is error
    root = only(telemetry, "speech_to_text tiny.en")
    assert (root["speech.asr.window.count"], root["error.type"]) == (1, "KeyboardInterrupt")


def test_a_call_that_the_engine_refuses_is_its_own_error(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """A wrong argument is told by the engine, in its words."""
    model = openai_whisper.load_model("tiny.en")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'audio'"):
        model.transcribe()
    with pytest.raises(ValueError, match="Unsupported language: klingon"):
        model.transcribe(samples(), language="klingon")
    assert [span["attributes"].get("error.type") for span in telemetry.spans()[1:2]] == ["TypeError"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("tiny.en", "tiny.en"),
        ("/srv/ann/models/tiny.en.pt", "tiny.en"),
        ("models/our-large.pt", "our-large"),
    ],
)
def test_a_model_is_named_without_its_folder(
    openai_whisper: Any, telemetry: CapturedTelemetry, given: str, name: str
) -> None:
    """A name of OpenAI's is kept; of a checkpoint's path, the stem."""
    openai_whisper.load_model(given).transcribe(samples())
    assert [line for line in tree(telemetry) if "  " not in line] == [
        f"speech.model.load {name}",
        f"speech_to_text {name}",
    ]
    assert only(telemetry, f"speech.model.load {name}")["speech.asr.device"] == "cpu"


def test_a_model_that_is_not_there_is_an_error_without_its_words(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """The engine's own error passes; the span has its type, and of the path the stem."""
    with pytest.raises(RuntimeError, match=r"Model /srv/ann/huge\.bin not found"):
        openai_whisper.load_model("/srv/ann/huge.bin")
    assert only(telemetry, "speech.model.load huge")["error.type"] == "RuntimeError"
    assert "ann" not in str(telemetry.spans())


def test_only_the_first_work_with_a_model_is_cold(openai_whisper: Any, telemetry: CapturedTelemetry) -> None:
    """The first transcription after a load is told from the others; where no load was seen, nothing is."""
    model = openai_whisper.load_model("tiny.en")
    for one in (model, model, openai_whisper.Whisper()):
        one.transcribe(samples())
    roots = [span for span in telemetry.spans() if span["name"].startswith("speech_to_text")]
    assert [span["attributes"].get("speech.engine.cold") for span in roots] == [True, False, None]
    assert roots[-1]["name"] == "speech_to_text"


def test_functions_of_the_engine_outside_a_transcription_are_left_alone(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """Decoding and language detection by hand, and a load that nobody traces, make no spans."""
    model = openai_whisper.load_model("tiny")
    telemetry.clear()
    mel = openai_whisper.log_mel_spectrogram(openai_whisper.load_audio("a.wav"))
    with telemetry.tracer("test").start_as_current_span("by hand"):
        assert model.detect_language(mel)[1]["es"] == 0.75
        assert openai_whisper.detect_language(model, mel)
        assert model.decode(mel).text == openai_whisper.decode(model, mel).text
    assert tree(telemetry) == ["by hand"]


def test_audio_that_the_caller_loads_is_a_stage_of_his_span(
    openai_whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """Who loads before he transcribes sees both under his own span."""
    model = openai_whisper.load_model("tiny.en")
    telemetry.clear()
    with telemetry.tracer("test").start_as_current_span("process"):
        model.transcribe(openai_whisper.load_audio("a.wav"))
    assert tree(telemetry)[:3] == ["process", "  speech.audio.load", "  speech_to_text tiny.en"]
    (load,) = [
        point["attributes"]
        for point in telemetry.metrics()["speech.stage.duration"]
        if point["attributes"]["speech.stage.name"] == "audio_load"
    ]
    assert load == {"gen_ai.provider.name": "openai_whisper", "speech.stage.name": "audio_load"}


@pytest.mark.parametrize("key", [context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"])
def test_suppression_is_honoured(openai_whisper: Any, telemetry: CapturedTelemetry, key: str) -> None:
    """Under either suppression key there is no span and no metric, and the model's name is kept for later."""
    token = context.attach(context.set_value(key, True))
    try:
        model = openai_whisper.load_model("tiny.en")
        assert model.transcribe("a.wav", word_timestamps=True)["text"] == " fresh air"
    finally:
        context.detach(token)
    assert (telemetry.spans(), telemetry.metrics()) == ([], {})
    model.transcribe(samples())
    assert tree(telemetry)[0] == "speech_to_text tiny.en"


def test_a_thread_per_model_has_a_trace_per_thread(openai_whisper: Any, telemetry: CapturedTelemetry) -> None:
    """Transcriptions at the same time keep to their own spans."""
    together = threading.Barrier(2)

    def work(name: str) -> None:
        model = openai_whisper.load_model(name)
        model.heard.windows = windows({}, {}, {})
        together.wait(10)
        model.transcribe(samples())

    threads = [threading.Thread(target=work, args=(name,)) for name in ("tiny", "tiny.en")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans = telemetry.spans()
    for name, encodings in (("tiny", 4), ("tiny.en", 3)):
        (root,) = [span for span in spans if span["name"] == f"speech_to_text {name}"]
        own = [span["name"] for span in spans if span["trace"] == root["trace"]]
        assert (own.count("speech.asr.encode"), own.count("speech.asr.decode")) == (encodings, 3)
