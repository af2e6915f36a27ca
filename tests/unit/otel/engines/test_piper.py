"""What one synthesis by Piper looks like as spans and metrics."""

from __future__ import annotations

import gc
import inspect
import io
import json
import time
import types
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

ROOT = "text_to_speech en_US-joe-medium"
SHARED = {"gen_ai.provider.name": "piper", "gen_ai.request.model": "en_US-joe-medium"}
SPOKEN = {
    **SHARED,
    "gen_ai.operation.name": "text_to_speech",
    "gen_ai.output.type": "speech",
    "speech.audio.duration": pytest.approx(0.7),
    "speech.engine.cold": True,
    "speech.tts.character.count": 9,
    "speech.tts.language": "en-US",
    "speech.tts.sentence.aggregated": 0,
    "speech.tts.sentence.count": 2,
    "speech.tts.voice": "en_US-joe-medium",
    "speech.tts.word.count": 2,
}
#: What depends on the machine's speed.
TIMES = {
    "speech.engine.duration",
    "speech.real_time_factor",
    "speech.tts.first_audio",
    "speech.tts.synthesize.duration",
}
CONFIG = {
    "audio": {"sample_rate": 1000, "quality": "medium"},
    "espeak": {"voice": "en-us"},
    "language": {"code": "en_US"},
    "dataset": "joe",
}


def load(piper: Any, folder: Path, **changes: Any) -> Any:
    """Load a voice from a folder that is nobody's business, its config changed as told."""
    path = folder / "private.onnx"
    Path(f"{path}.json").write_text(json.dumps({**CONFIG, **changes}), encoding="utf-8")
    return piper.PiperVoice.load(str(path))


@pytest.fixture
def voice(piper: Any, tmp_path: Path) -> Any:
    """A loaded voice."""
    return load(piper, tmp_path)


def root(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the one root span."""
    (span,) = [span for span in telemetry.spans() if span["name"].startswith("text_to_speech")]
    return span


def without_times(span: dict[str, Any]) -> dict[str, Any]:
    """Leave out what depends on the machine's speed."""
    attributes = {key: value for key, value in span.get("attributes", {}).items() if key not in TIMES}
    return {**span, "attributes": attributes}


def wav(voice: Any, text: str) -> float:
    """Speak into a WAV file, and return how long it is."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        voice.synthesize_wav(text, file)
    with wave.open(io.BytesIO(buffer.getvalue())) as file:
        return file.getnframes() / file.getframerate()


def test_a_synthesis_is_a_span_with_its_phonemes_and_sentences_inside(
    voice: Any, telemetry: CapturedTelemetry
) -> None:
    """Load, root, phonemes and one span per sentence are exactly these, and hold no text and no path."""
    assert len(list(voice.synthesize("Hey. Joe!!"))) == 2
    assert [without_times(span) for span in telemetry.spans()] == [
        {
            "name": "speech.model.load en_US-joe-medium",
            "trace": 1,
            "span": 1,
            "start": 1.0,
            "end": 2.0,
            "attributes": SHARED,
        },
        {
            "name": ROOT,
            "trace": 2,
            "span": 2,
            "start": 3.0,
            "end": 11.0,
            "attributes": {
                **SPOKEN,
                "speech.tts.character.count": 10,
                "speech.audio.duration": pytest.approx(0.8),
            },
            "events": [
                {
                    "name": "gen_ai.evaluation.result",
                    "gen_ai.evaluation.name": "characters_per_second",
                    "gen_ai.evaluation.score.label": "pass",
                    "gen_ai.evaluation.score.value": pytest.approx(12.5),
                }
            ],
        },
        {
            "name": "speech.tts.phonemize",
            "trace": 2,
            "span": 3,
            "parent": 2,
            "start": 4.0,
            "end": 5.0,
            "attributes": {},
        },
        {
            "name": "speech.tts.synthesize",
            "trace": 2,
            "span": 4,
            "parent": 2,
            "start": 6.0,
            "end": 7.0,
            "attributes": {"speech.tts.sentence.index": 0},
        },
        {
            "name": "speech.tts.synthesize",
            "trace": 2,
            "span": 5,
            "parent": 2,
            "start": 8.0,
            "end": 9.0,
            "attributes": {"speech.tts.sentence.index": 1},
        },
    ]
    assert "private" not in str(telemetry.spans())


def test_a_wav_file_is_one_root_with_the_same_children(voice: Any, telemetry: CapturedTelemetry) -> None:
    """`synthesize_wav` reads `synthesize` itself; that is no second span."""
    assert wav(voice, "Hey. Joe.") == pytest.approx(0.6)
    assert [span["name"] for span in telemetry.spans()][1:] == [
        ROOT,
        "speech.tts.phonemize",
        "speech.tts.synthesize",
        "speech.tts.synthesize",
    ]
    assert without_times(root(telemetry))["attributes"] == {
        **SPOKEN,
        "speech.audio.duration": pytest.approx(0.6),
    }
    assert telemetry.metrics()["speech.tts.time_to_first_audio"][0]["count"] == 1


def test_a_synthesis_is_measured(voice: Any, telemetry: CapturedTelemetry) -> None:
    """Metrics tell operation, engine, voice and language apart, and count words, characters and sound."""
    list(voice.synthesize("Hey (sadly). Joe."))
    named = {"speech.tts.language": "en-US", "speech.tts.voice": "en_US-joe-medium"}
    told = {**SHARED, "gen_ai.operation.name": "text_to_speech", **named}
    found = telemetry.metrics()
    for name in ("gen_ai.client.operation.duration", "speech.tts.time_to_first_audio", "speech.words"):
        assert [point["attributes"] for point in found[name]] == [told]
    assert [point["value"] for point in found["speech.characters"]] == [10]
    assert found["speech.usage.audio"][0]["value"] == pytest.approx(1.4)
    stages = {
        point["attributes"]["speech.stage.name"]: point["count"] for point in found["speech.stage.duration"]
    }
    assert stages == {"phonemize": 1, "synthesize": 2}
    (loaded,) = found["speech.model.load.duration"]
    assert loaded["attributes"] == SHARED


def test_a_late_reader_does_not_make_the_first_audio_late(voice: Any, telemetry: CapturedTelemetry) -> None:
    """Piper does nothing until it is read: the time to the first sound is the engine's own."""
    chunks = voice.synthesize("Hey. Joe.")
    time.sleep(0.2)
    list(chunks)
    attributes = root(telemetry)["attributes"]
    assert 0 < attributes["speech.tts.first_audio"] <= attributes["speech.engine.duration"] < 0.2
    assert attributes["speech.real_time_factor"] == pytest.approx(attributes["speech.engine.duration"] / 0.6)


def test_a_long_text_has_spans_for_its_first_sentences_and_sums_for_all(
    voice: Any, telemetry: CapturedTelemetry
) -> None:
    """Sentences beyond the limit are counted and timed on the root, without spans."""
    assert len(list(voice.synthesize("One. " * 5))) == 5
    names = [span["name"] for span in telemetry.spans()]
    attributes = root(telemetry)["attributes"]
    assert names.count("speech.tts.synthesize") == 3
    assert (attributes["speech.tts.sentence.count"], attributes["speech.tts.sentence.aggregated"]) == (5, 2)
    assert 0 < attributes["speech.tts.synthesize.duration"] <= attributes["speech.engine.duration"]


def test_alignments_change_nothing(voice: Any, telemetry: CapturedTelemetry) -> None:
    """Where the model gives alignments beside the audio, the audio alone is measured."""
    list(voice.synthesize("Hey.", include_alignments=True))
    assert root(telemetry)["attributes"]["speech.audio.duration"] == pytest.approx(0.3)


def test_only_the_first_work_with_a_voice_is_cold(voice: Any, telemetry: CapturedTelemetry) -> None:
    """The first synthesis after the load is told from the others, though voices cannot be hashed."""
    for _ in range(2):
        list(voice.synthesize(text="Hey."))
    roots = [span for span in telemetry.spans() if span["name"] == ROOT]
    assert [span["attributes"]["speech.engine.cold"] for span in roots] == [True, False]
    with pytest.raises(TypeError, match="unhashable"):
        hash(voice)


@pytest.mark.parametrize(
    ("changes", "name", "language"),
    [
        ({"dataset": "/srv/private"}, "private", "en-US"),
        ({"dataset": None}, "private", "en-US"),
        ({"language": None}, "joe-medium", "en-us"),
        ({"language": {"code": "../.."}, "dataset": ""}, "private", "en-us"),
        ({"language": None, "espeak": {"voice": "/x"}}, "joe-medium", None),
    ],
)
def test_a_config_that_says_little(  # noqa: PLR0917  # fixtures, and what they are tried with
    piper: Any,
    tmp_path: Path,
    telemetry: CapturedTelemetry,
    changes: dict[str, Any],
    name: str,
    language: str | None,
) -> None:
    """Without a name in its config a voice is called after its file, never after a path."""
    list(load(piper, tmp_path, **changes).synthesize("Hey."))
    attributes = root(telemetry)["attributes"]
    assert (attributes["speech.tts.voice"], attributes.get("speech.tts.language")) == (name, language)
    assert "/" not in str(telemetry.spans())


def test_a_voice_of_unknown_origin_has_the_language_of_its_config(
    piper: Any, telemetry: CapturedTelemetry
) -> None:
    """A voice that was put together by hand has a span without a model, and no cold start."""
    voice = piper.PiperVoice(session="mine", config=piper.PiperConfig(1000, "de"))
    list(voice.synthesize("Hey."))
    span = root(telemetry)
    assert span["name"] == "text_to_speech"
    assert span["attributes"]["speech.tts.language"] == "de"
    assert not {"speech.engine.cold", "speech.tts.voice", "gen_ai.request.model"} & span["attributes"].keys()


def test_a_config_read_by_hand_names_its_voice(piper: Any, telemetry: CapturedTelemetry) -> None:
    """A voice of one's own session is named by the config that it was given."""
    voice = piper.PiperVoice(session="mine", config=piper.PiperConfig.from_dict(CONFIG))
    list(voice.synthesize("Hey."))
    assert root(telemetry)["name"] == ROOT


def test_a_voice_that_is_not_there_is_an_error_span(
    piper: Any, tmp_path: Path, telemetry: CapturedTelemetry
) -> None:
    """The engine's exception passes unchanged; its text, a path, stays out."""
    with pytest.raises(FileNotFoundError):
        piper.PiperVoice.load(tmp_path / "nobody.onnx")
    (span,) = telemetry.spans()
    assert {key: value for key, value in span.items() if key not in {"start", "end"}} == {
        "name": "speech.model.load",
        "trace": 1,
        "span": 1,
        "status": "ERROR",
        "attributes": {"gen_ai.provider.name": "piper", "error.type": "FileNotFoundError"},
    }


def test_the_chunks_are_still_the_engines_generator(voice: Any) -> None:
    """Code that asks for the type, or uses a generator's own methods, sees a generator."""
    chunks = voice.synthesize("Hey. Joe. There.")
    assert isinstance(chunks, types.GeneratorType)
    assert inspect.isgenerator(chunks)
    assert next(chunks).sample_rate == 1000
    assert chunks.send(None).sample_rate == 1000
    assert len(list(chunks)) == 1
    assert chunks.gi_frame is None


def test_the_span_does_not_leak_into_the_reader(voice: Any, telemetry: CapturedTelemetry) -> None:
    """Between two chunks the reader's own span is current; inside the engine it is ours."""
    before = context.get_current()
    chunks = voice.synthesize("Hey. Joe.")
    for _ in chunks:
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert context.get_current() == before
    assert [span.name for span in voice.spans_while_working] == [ROOT, ROOT]
    assert telemetry.open_spans() == []


def test_the_stages_keep_their_parent_across_threads(voice: Any, telemetry: CapturedTelemetry) -> None:
    """Each chunk may be read by another thread; the stages stay children of the root."""
    chunks = voice.synthesize("Hey. Joe.")
    for _ in range(3):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(next, chunks, None).result()
    parents = {span.get("parent") for span in telemetry.spans() if span["name"].startswith("speech.tts.")}
    assert parents == {root(telemetry)["span"]}


def test_the_parent_is_the_span_that_was_current_at_the_call(
    voice: Any, telemetry: CapturedTelemetry
) -> None:
    """The root belongs to the caller of synthesize, also when the chunks are read elsewhere."""
    with telemetry.tracer("test").start_as_current_span("process"):
        chunks = voice.synthesize("Hey.")
    list(chunks)
    (process,) = [span for span in telemetry.spans() if span["name"] == "process"]
    assert root(telemetry)["parent"] == process["span"]


@pytest.mark.parametrize("how", ["close", "drop", "unread"])
def test_an_abandoned_synthesis_ends_as_incomplete(
    voice: Any, telemetry: CapturedTelemetry, how: str
) -> None:
    """Speech that nobody takes to its end is marked so, is no error, and is not measured."""
    chunks = voice.synthesize("Hey. Joe.")
    if how != "unread":
        next(chunks)
    if how == "close":
        chunks.close()
        assert telemetry.open_spans() == []
    del chunks
    gc.collect()
    span = root(telemetry)
    assert span["attributes"]["speech.tts.incomplete"] is True
    assert span["attributes"]["speech.tts.sentence.count"] == (how != "unread")
    assert "speech.real_time_factor" not in span["attributes"]
    assert "status" not in span
    assert "gen_ai.client.operation.duration" not in telemetry.metrics()


@pytest.mark.parametrize("speak", [lambda voice, text: list(voice.synthesize(text)), wav])
@pytest.mark.parametrize("at", ["unspeakable", "Joe"])
def test_an_exception_is_the_engines_own(
    voice: Any, telemetry: CapturedTelemetry, speak: Any, at: str
) -> None:
    """The very exception reaches the caller, half-way too; root and stage are ERROR and quote nothing."""
    voice.errors[at] = raised = RuntimeError("cannot say 'my secret words'")
    with pytest.raises((RuntimeError, wave.Error)) as caught:
        speak(voice, "Hey. Joe. There.")
    assert raised in {caught.value, caught.value.__context__}
    failed = {span["name"]: span for span in telemetry.spans() if span.get("status") == "ERROR"}
    assert failed.keys() == {ROOT, f"speech.tts.{'synthesize' if at == 'Joe' else 'phonemize'}"}
    assert failed[ROOT]["attributes"]["error.type"] == "RuntimeError"
    assert "speech.real_time_factor" not in failed[ROOT]["attributes"]
    assert "secret" not in str(telemetry.spans())
    (point,) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert point["attributes"]["error.type"] == "RuntimeError"


def test_a_call_that_piper_refuses_ends_the_span(voice: Any, telemetry: CapturedTelemetry) -> None:
    """A wrong argument fails in the engine's own words."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        voice.synthesize("Hey.", nonsense=1)
    assert root(telemetry)["attributes"]["error.type"] == "TypeError"


def test_functions_of_the_engine_outside_a_synthesis_are_left_alone(
    voice: Any, telemetry: CapturedTelemetry
) -> None:
    """A stage without its operation would be a root of its own, so it is no span."""
    telemetry.clear()
    assert voice.phonemize("Hey.") == [["H", "e", "y"]]
    assert voice.phoneme_ids_to_audio([1, 2]).size == 200
    assert telemetry.spans() == []
