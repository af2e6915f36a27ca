"""The real openai-whisper, with random weights, on recorded speech: what its spans say."""

from __future__ import annotations

import importlib
import inspect
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import moonshine_voice
import pytest

from voxtrace.engines import OpenAIWhisperInstrumentor

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

pytestmark = [
    pytest.mark.whisper,
    # The model runs in half precision on a GPU only, and says so on every CPU.
    pytest.mark.filterwarnings("ignore:FP16 is not supported on CPU"),
    # whisper.tokenizer never closes its vocabulary.
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]

SPEECH = Path(moonshine_voice.__file__).parent / "assets" / "two_cities.wav"
ROOT = "speech_to_text random"


@pytest.fixture(name="whisper")
def _whisper(telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The engine, instrumented; on the real clock, since durations are compared."""
    monkeypatch.undo()
    OpenAIWhisperInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    yield importlib.import_module("whisper")
    OpenAIWhisperInstrumentor().uninstrument()


def lasted(span: dict[str, Any]) -> float:
    """Return the duration of a span in seconds."""
    return float(span["end"] - span["start"])


def family(telemetry: CapturedTelemetry, name: str = ROOT) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the one root span, and its direct children in the order of their start."""
    (root,) = [span for span in telemetry.spans() if span["name"] == name]
    return root, [span for span in telemetry.spans() if span.get("parent") == root["span"]]


def test_a_transcription_shows_where_its_time_went(
    whisper: Any, checkpoint: Path, telemetry: CapturedTelemetry
) -> None:
    """By a clock of the test's own: the span covers the call to 1 %, and its children 95 % of it."""
    model = whisper.load_model(str(checkpoint))
    samples = len(whisper.load_audio(str(SPEECH)))
    covered = []
    for cold in (True, False, False):
        telemetry.clear()
        started = time.perf_counter()
        model.transcribe(str(SPEECH))
        wall = time.perf_counter() - started
        root, children = family(telemetry)
        attributes = root["attributes"]
        assert attributes["speech.engine.cold"] is cold
        assert sum(map(lasted, children)) / lasted(root) >= 0.95
        assert attributes["speech.audio.duration"] == samples / 16000
        factor = attributes["speech.engine.duration"] / attributes["speech.audio.duration"]
        assert attributes["speech.real_time_factor"] == factor
        covered.append((lasted(root) / wall, attributes["speech.engine.duration"] / wall))
        assert covered[-1] <= (1.001, 1.001)
    # The best of three: what the machine does between our clock and the span's is nobody's work.
    assert min(max(covered)) >= 0.99


def test_the_stages_add_up_to_the_engines_time(
    whisper: Any, checkpoint: Path, telemetry: CapturedTelemetry
) -> None:
    """No second counts twice in the metrics, though the engine loads in features and encodes in decoding."""
    whisper.load_model(str(checkpoint)).transcribe(str(SPEECH))
    worked = family(telemetry)[0]["attributes"]["speech.engine.duration"]
    lasted = {
        point["attributes"]["speech.stage.name"]: point["sum"]
        for point in telemetry.metrics()["speech.stage.duration"]
    }
    assert lasted.keys() == {"audio_load", "feature_extraction", "tokenizer", "encode", "decode"}
    assert 0.95 < sum(lasted.values()) / worked <= 1.0


def test_a_language_is_detected_by_the_real_model(
    whisper: Any, multilingual_checkpoint: Path, telemetry: CapturedTelemetry
) -> None:
    """The probability that `transcribe` throws away is that of `detect_language` by hand."""
    model = whisper.load_model(str(multilingual_checkpoint))
    mel = whisper.log_mel_spectrogram(str(SPEECH))
    _, probabilities = model.detect_language(whisper.pad_or_trim(mel, 3000))
    result = whisper.transcribe(model, str(SPEECH), temperature=0, clip_timestamps="0,30")
    root, children = family(telemetry, "speech_to_text polyglot")
    assert root["attributes"]["speech.language.detected"] == result["language"]
    assert root["attributes"]["speech.language.probability"] == pytest.approx(max(probabilities.values()))
    assert [span["name"].rpartition(".")[2] for span in children[:3]] == [
        "features",
        "detect_language",
        "tokenizer",
    ]


def test_words_are_aligned_and_encoded_once_more(
    whisper: Any, checkpoint: Path, telemetry: CapturedTelemetry
) -> None:
    """With times of words each of the first 32 windows has spans; what is beyond is counted."""
    torch: Any = importlib.import_module("torch")
    model = whisper.load_model(str(checkpoint))
    audio = torch.from_numpy(whisper.load_audio(str(SPEECH)))
    whisper.transcribe(model, audio, word_timestamps=True, temperature=0)
    root, children = family(telemetry)
    attributes = root["attributes"]
    names = [span["name"] for span in children]
    assert names.count("speech.asr.decode") == min(attributes["speech.asr.window.count"], 32)
    assert attributes["speech.asr.align.count"] >= 1
    assert attributes["speech.asr.encode.count"] >= attributes["speech.asr.decode.count"]
    assert attributes["speech.audio.duration"] == len(audio) / 16000


def test_the_result_is_the_same_with_and_without_us(whisper: Any, checkpoint: Path) -> None:
    """Instrumented or not, the engine says the same."""
    torch: Any = importlib.import_module("torch")
    model = whisper.load_model(str(checkpoint))
    results = []
    for _ in range(2):
        torch.manual_seed(1)
        results.append(whisper.transcribe(model, str(SPEECH)))
        OpenAIWhisperInstrumentor().uninstrument()
    # Where nothing was decoded, numbers are no numbers.
    assert str(results[0]) == str(results[1])


def test_ffmpegs_complaint_stays_with_the_caller(
    whisper: Any, checkpoint: Path, tmp_path: Path, telemetry: CapturedTelemetry
) -> None:
    """The exception is the engine's, with the path in its text; telemetry has neither."""
    broken = tmp_path / "confidential.wav"
    broken.write_bytes(b"this is no audio")
    model = whisper.load_model(str(checkpoint))
    with pytest.raises(RuntimeError, match=r"Failed to load audio(.|\n)*confidential\.wav"):
        model.transcribe(str(broken))
    assert family(telemetry)[0]["attributes"]["error.type"] == "RuntimeError"
    emitted = f"{telemetry.spans()} {telemetry.metrics()}"
    for hidden in ("confidential", str(tmp_path), str(checkpoint), "Invalid data"):
        assert hidden not in emitted


def test_a_compiled_encoder_still_compiles_whole(whisper: Any, checkpoint: Path) -> None:
    """A user's torch.compile sees through the wrapper: no break in the graph."""
    torch: Any = importlib.import_module("torch")
    model = whisper.load_model(str(checkpoint))
    mel = torch.zeros(1, 80, 3000)
    with torch.no_grad():
        compiled = torch.compile(model.encoder, backend="eager", fullgraph=True)(mel)
        assert torch.equal(compiled, model.encoder(mel))


def test_the_installed_engine_has_the_functions_that_we_wrap() -> None:
    """Names, copies and leading parameters of openai-whisper 20250625 are those the wrappers count on."""
    engine: Any = importlib.import_module("whisper")
    modules: dict[str, Any] = {
        name: sys.modules[f"whisper.{name}"] for name in ("transcribe", "audio", "model")
    }
    transcribe, audio, model = modules.values()
    copies = (
        engine.transcribe,
        transcribe.transcribe,
        model.transcribe_function,
        model.Whisper.transcribe,
    )
    assert len(set(map(id, copies))) == 1
    assert engine.load_audio is audio.load_audio
    leading = {
        engine.load_model: "name device",
        audio.load_audio: "file sr",
        transcribe.transcribe: "model audio",
        transcribe.log_mel_spectrogram: "audio n_mels padding",
        transcribe.get_tokenizer: "multilingual num_languages language task",
        model.Whisper.decode: "model mel options",
        model.Whisper.detect_language: "model mel tokenizer",
        model.AudioEncoder.forward: "self x",
    }
    for function, expected in leading.items():
        parameters = list(inspect.signature(function).parameters)
        assert " ".join(parameters[: len(expected.split())]) == expected
    keywords = inspect.signature(transcribe.transcribe).parameters
    assert {"word_timestamps", "no_speech_threshold", "logprob_threshold"} < keywords.keys()
    assert keywords["decode_options"].kind is inspect.Parameter.VAR_KEYWORD
    assert {
        "temperature",
        "language",
        "task",
        "beam_size",
    } <= engine.DecodingOptions.__dataclass_fields__.keys()
    results = engine.DecodingResult.__dataclass_fields__.keys()
    assert {"no_speech_prob", "avg_logprob"} <= results
    assert callable(transcribe.add_word_timestamps)
    assert audio.SAMPLE_RATE == 16000
    assert "tiny.en" in engine.available_models()
    assert sys.modules["whisper.tokenizer"].TO_LANGUAGE_CODE["english"] == "en"
    # An attempt is told by position: `model.decode(segment, options)`.
    assert "model.decode(segment, options)" in inspect.getsource(transcribe)


def test_uninstrument_puts_every_original_back() -> None:
    """After uninstrument every name of the real package stands for the object it did."""
    importlib.import_module("whisper")

    def everything() -> dict[tuple[str, str], Any]:
        owners = {
            name: vars(module) for name, module in sys.modules.items() if name.partition(".")[0] == "whisper"
        }
        model: Any = sys.modules["whisper.model"]
        owners |= {owner: vars(getattr(model, owner)) for owner in ("Whisper", "AudioEncoder")}
        return {(owner, name): value for owner, names in owners.items() for name, value in names.items()}

    before = everything()
    OpenAIWhisperInstrumentor().instrument()
    during = everything()
    OpenAIWhisperInstrumentor().uninstrument()
    after = everything()
    assert len([name for name in before if before[name] is not during[name]]) == 13
    assert [name for name in before if before[name] is not after[name]] == []
