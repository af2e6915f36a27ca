"""The functions of openai-whisper, in every module that they were imported to."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import wrapt

from unit.otel.engines.reading import tree
from voxtrace.engines import OpenAIWhisperInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace.testing import CapturedTelemetry

PATCHED = {
    "whisper": ("load_model", "load_audio", "transcribe"),
    "whisper.audio": ("load_audio",),
    "whisper.transcribe": (
        "transcribe",
        "log_mel_spectrogram",
        "get_tokenizer",
        "add_word_timestamps",
    ),
    "whisper.model": ("transcribe_function",),
}
METHODS = {"Whisper": ("transcribe", "decode", "detect_language"), "AudioEncoder": ("forward",)}


def there_and_back(something: Any) -> Any:
    """Return what another process would get."""
    return pickle.loads(pickle.dumps(something))  # noqa: S301  # our own, just pickled


@pytest.fixture(autouse=True)
def _uninstrumented() -> Iterator[None]:
    yield
    OpenAIWhisperInstrumentor().uninstrument()


def everything() -> dict[str, Any]:
    """Return every name of the engine's modules and classes, and what stands there."""
    found = {}
    for name in sorted(name for name in sys.modules if name.partition(".")[0] == "whisper"):
        module = vars(sys.modules[name])
        owners = {name: module, **{f"{name}.{key}": vars(module[key]) for key in METHODS if key in module}}
        found |= {f"{owner}.{key}": value for owner, names in owners.items() for key, value in names.items()}
    return found


def test_every_copy_of_a_function_is_replaced_and_put_back(
    fake_whisper: None, telemetry: CapturedTelemetry
) -> None:
    """During, exactly the named functions are others; after, every name stands for the object it did."""
    engine: Any = importlib.import_module("whisper")
    before = everything()
    OpenAIWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    during = everything()
    replaced = {name for name in before if before[name] is not during[name]}
    modules = {f"{module}.{name}" for module, names in PATCHED.items() for name in names}
    classes = {f"whisper.model.{owner}.{name}" for owner, names in METHODS.items() for name in names}
    elsewhere = {f"whisper.Whisper.{name}" for name in METHODS["Whisper"]}
    assert replaced == modules | classes | elsewhere
    assert engine.transcribe is sys.modules["whisper.transcribe"].transcribe
    OpenAIWhisperInstrumentor().uninstrument()
    after = everything()
    assert [name for name in before if before[name] is not after[name]] == []
    engine.load_model("tiny").transcribe("a.wav")
    assert telemetry.spans() == []


@pytest.mark.parametrize("first", ["import", "instrument"])
def test_the_order_of_import_and_instrument_does_not_matter(
    fake_whisper: None, telemetry: CapturedTelemetry, first: str
) -> None:
    """An engine imported before is instrumented like one imported after."""
    if first == "import":
        importlib.import_module("whisper")
    OpenAIWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    engine: Any = importlib.import_module("whisper")
    engine.transcribe(engine.load_model("tiny.en"), "a.wav")
    assert tree(telemetry)[:3] == [
        "speech.model.load tiny.en",
        "speech_to_text tiny.en",
        "  speech.asr.features",
    ]


def test_instrumenting_twice_is_instrumenting_once(fake_whisper: None, telemetry: CapturedTelemetry) -> None:
    """A second instrument() does not double the spans."""
    for _ in range(2):
        OpenAIWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    importlib.import_module("whisper").load_model("tiny.en").transcribe("a.wav")
    assert len([line for line in tree(telemetry) if "speech_to_text" in line]) == 1


def test_a_wrapper_around_one_copy_survives_uninstrument(
    fake_whisper: None, telemetry: CapturedTelemetry
) -> None:
    """What others wrapped around ours in one module stays there; the other modules get the original back."""
    engine: Any = importlib.import_module("whisper")
    original = engine.transcribe
    OpenAIWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    theirs = wrapt.FunctionWrapper(
        engine.transcribe, lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs)
    )
    engine.transcribe = theirs
    OpenAIWhisperInstrumentor().uninstrument()
    assert engine.transcribe is theirs
    assert sys.modules["whisper.transcribe"].transcribe is original
    assert engine.transcribe(engine.Whisper(), "a.wav")["text"] == " fresh air"
    assert telemetry.spans() == []


def test_replaced_functions_travel_to_other_processes(openai_whisper: Any) -> None:
    """A pool pickles functions by name and methods by their object: ours pickle as the engine's do."""
    for function in (openai_whisper.transcribe, openai_whisper.load_model):
        assert there_and_back(function) is function
    travelled = there_and_back(openai_whisper.Whisper().transcribe)
    assert travelled("a.wav")["text"] == " fresh air"


def test_another_package_of_that_name_is_left_alone(
    fake_whisper: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Graphite's database is a module `whisper` too: it is imported as it is, without a word."""
    (tmp_path / "whisper.py").write_text("def create(): ...\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    OpenAIWhisperInstrumentor().instrument()
    assert importlib.import_module("whisper").create() is None
    assert caplog.text == ""
