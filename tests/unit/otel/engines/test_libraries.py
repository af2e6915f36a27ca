"""Piper and Argos on, off, twice, too early, too late, suppressed, broken, absent."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import wrapt
from opentelemetry import context

from voxtrace.engines import ArgosInstrumentor, PiperInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from voxtrace.engines._instrumentor import EngineInstrumentor
    from voxtrace.testing import CapturedTelemetry

CONFIG = {
    "audio": {"sample_rate": 1000, "quality": "medium"},
    "espeak": {"voice": "en-us"},
    "language": {"code": "en_US"},
    "dataset": "joe",
}

#: Voices stay active for minutes, those of earlier tests too.
REMEMBERED = {"speech.tts.voices.active"}


def speak(piper: Any) -> int:
    """Speak two sentences, and return how many chunks they are."""
    voice = piper.PiperVoice("session", piper.PiperConfig.from_dict(CONFIG))
    return len(list(voice.synthesize("Hey. Joe.")))


def translate(argos: Any) -> int:
    """Translate two sentences through a pivot, and return how many letters come out."""
    return len(argos.translate("hey. joe.", "es", "de"))


@dataclass(frozen=True)
class Library:
    """An engine that is a library: what is replaced in it, and some work that it does."""

    module: str
    instrumentor: type[EngineInstrumentor]
    patched: tuple[str, ...]
    work: Callable[[Any], int]
    result: int
    span: str


PIPER = Library(
    "piper.voice",
    PiperInstrumentor,
    (
        "PiperConfig.from_dict",
        "PiperVoice.load",
        "PiperVoice.synthesize",
        "PiperVoice.synthesize_wav",
        "PiperVoice.phonemize",
        "PiperVoice.phoneme_ids_to_audio",
    ),
    speak,
    2,
    "text_to_speech en_US-joe-medium",
)
ARGOS = Library(
    "argostranslate.translate",
    ArgosInstrumentor,
    (
        "translate",
        "ITranslation.translate",
        "PackageTranslation.hypotheses",
        "CompositeTranslation.hypotheses",
        "CachedTranslation.hypotheses",
        "sbd.MiniSBDSentencizer.split_sentences",
        "sbd.MiniSBDSentencizer.lazy_detector",
        "sbd.StanzaSentencizer.split_sentences",
        "sbd.StanzaSentencizer.lazy_pipeline",
        "ctranslate2.Translator.__init__",
        "ctranslate2.Translator.translate_batch",
    ),
    translate,
    8,
    "translate es-de",
)


@pytest.fixture(params=[PIPER, ARGOS], ids=["piper", "argos"])
def library(request: pytest.FixtureRequest, fake_engines: None) -> Iterator[Library]:
    """Each engine, not instrumented yet."""
    found: Library = request.param
    yield found
    found.instrumentor().uninstrument()


def originals(library: Library, module: Any) -> dict[str, Any]:
    """Return everything that the instrumentation replaces."""
    found = {}
    for name in library.patched:
        *owners, last = name.split(".")
        owner = module
        for part in owners:
            owner = getattr(owner, part)
        found[name] = vars(owner)[last]
    return found


def roots(library: Library, telemetry: CapturedTelemetry) -> int:
    """Return how many spans the work has."""
    return [span["name"] for span in telemetry.spans()].count(library.span)


def test_uninstrument_puts_every_original_back(library: Library, telemetry: CapturedTelemetry) -> None:
    """After uninstrument the engine's attributes are the objects they were."""
    module = importlib.import_module(library.module)
    before = originals(library, module)
    library.instrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    during = originals(library, module)
    assert [name for name in before if before[name] is during[name]] == []
    assert library.work(module) == library.result
    assert roots(library, telemetry) == 1
    telemetry.clear()
    library.instrumentor().uninstrument()
    after = originals(library, module)
    assert [name for name in before if before[name] is not after[name]] == []
    assert library.work(module) == library.result
    assert telemetry.spans() == []


def test_instrumenting_twice_before_the_import_is_instrumenting_once(
    library: Library, telemetry: CapturedTelemetry
) -> None:
    """A second instrument() does not double the spans, and the engine may be imported later."""
    for _ in range(2):
        library.instrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    library.work(importlib.import_module(library.module))
    assert roots(library, telemetry) == 1


def test_uninstrument_before_the_import_leaves_the_engine_alone(
    library: Library, telemetry: CapturedTelemetry
) -> None:
    """A hook that waits for an import does nothing once it has been called off."""
    library.instrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    library.instrumentor().uninstrument()
    module = importlib.import_module(library.module)
    assert not any(isinstance(found, wrapt.FunctionWrapper) for found in originals(library, module).values())
    assert library.work(module) == library.result
    assert telemetry.spans() == []


@pytest.mark.parametrize("key", [context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"])
def test_suppression_is_honoured(library: Library, telemetry: CapturedTelemetry, key: str) -> None:
    """Under either suppression key there is no span and no metric."""
    library.instrumentor().instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    module = importlib.import_module(library.module)
    token = context.attach(context.set_value(key, True))
    try:
        assert library.work(module) == library.result
    finally:
        context.detach(token)
    assert telemetry.spans() == []
    assert telemetry.metrics().keys() <= REMEMBERED


def test_a_synthesis_begun_under_suppression_stays_silent(piper: Any, telemetry: CapturedTelemetry) -> None:
    """Chunks read after the suppression has ended make no orphan spans."""
    voice = piper.PiperVoice("session", piper.PiperConfig.from_dict(CONFIG))
    token = context.attach(context.set_value("suppress_instrumentation", True))
    chunks = voice.synthesize("Hey.")
    context.detach(token)
    assert len(list(chunks)) == 1
    assert telemetry.spans() == []


def test_chunks_read_under_suppression_have_no_stages(piper: Any, telemetry: CapturedTelemetry) -> None:
    """A reader that wants no spans gets none beside the one that was begun before."""
    chunks = piper.PiperVoice("session", piper.PiperConfig.from_dict(CONFIG)).synthesize("Hey.")
    token = context.attach(context.set_value("suppress_instrumentation", True))
    assert len(list(chunks)) == 1
    context.detach(token)
    assert [span["name"] for span in telemetry.spans()] == [PIPER.span]


def test_a_voice_loaded_under_suppression_is_not_counted(
    piper: Any, telemetry: CapturedTelemetry, tmp_path: Any
) -> None:
    """A load that nobody wants to see has no span and no metric."""
    (tmp_path / "joe.onnx.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    token = context.attach(context.set_value("suppress_instrumentation", True))
    assert piper.PiperVoice.load(tmp_path / "joe.onnx").config.sample_rate == 1000
    context.detach(token)
    assert telemetry.spans() == []
    assert telemetry.metrics().keys() <= REMEMBERED


def test_a_broken_tracer_does_not_reach_the_engine(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever telemetry raises, the engine runs once and its result is the same."""

    class Broken:
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return self

        def start_span(self, *_: Any, **__: Any) -> Any:
            raise ValueError("no spans today")

    library.instrumentor().instrument(tracer_provider=Broken())  # type: ignore[arg-type]  # broken on purpose
    assert library.work(importlib.import_module(library.module)) == library.result
    assert "no spans today" not in caplog.text


def test_an_engine_of_another_version_is_instrumented_as_far_as_it_goes(
    library: Library, telemetry: CapturedTelemetry
) -> None:
    """A function that the installed version lacks costs its own span and nothing else."""
    module: Any = importlib.import_module(library.module)
    lacking = module.PiperVoice if library is PIPER else module.sbd.StanzaSentencizer
    name = "synthesize_wav" if library is PIPER else "split_sentences"
    original = vars(lacking)[name]
    delattr(lacking, name)
    library.instrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    setattr(lacking, name, original)
    assert library.work(module) == library.result
    assert roots(library, telemetry) == 1


def test_an_absent_engine_is_left_alone() -> None:
    """Without the engines installed, instrument() says and breaks nothing."""
    script = """
import sys
sys.modules["onnxruntime"] = sys.modules["ctranslate2"] = None  # as if they were not installed
from voxtrace.engines import ArgosInstrumentor, PiperInstrumentor
for instrumentor in (ArgosInstrumentor, PiperInstrumentor):
    instrumentor().instrument()
for name in ("piper", "argostranslate.translate"):
    try:
        __import__(name)
    except ImportError as error:
        print("absent:", error.name)
for instrumentor in (ArgosInstrumentor, PiperInstrumentor):
    instrumentor().uninstrument()
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.splitlines()[0] == "absent: onnxruntime"
    assert len(finished.stdout.splitlines()) == 2
