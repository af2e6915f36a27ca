"""On, off, twice, too early, too late, suppressed, broken: the engine must not notice."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
import wrapt
from opentelemetry import context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader

from voxtrace.engines import (
    ApertiumInstrumentor,
    ArgosInstrumentor,
    EspeakNgInstrumentor,
    FasterWhisperInstrumentor,
    OpenAIWhisperInstrumentor,
    PiperInstrumentor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from voxtrace.testing import CapturedTelemetry

    MakeProgram = Callable[[str, str], Path]

AUDIO = [0.0] * 64000
INSTRUMENTORS = {
    "voxtrace_apertium": ApertiumInstrumentor,
    "voxtrace_argos": ArgosInstrumentor,
    "voxtrace_espeak_ng": EspeakNgInstrumentor,
    "voxtrace_faster_whisper": FasterWhisperInstrumentor,
    "voxtrace_openai_whisper": OpenAIWhisperInstrumentor,
    "voxtrace_piper": PiperInstrumentor,
}
PATCHED = {
    "WhisperModel": (
        "__init__",
        "transcribe",
        "detect_language",
        "encode",
        "generate_with_fallback",
        "add_word_timestamps",
    ),
    "BatchedInferencePipeline": ("transcribe", "generate_segment_batched"),
    "FeatureExtractor": ("__call__",),
}


@pytest.fixture(autouse=True)
def _uninstrumented() -> Iterator[None]:
    yield
    for instrumentor in INSTRUMENTORS.values():
        instrumentor().uninstrument()


def originals(module: Any) -> dict[str, Any]:
    """Return everything that the instrumentation replaces."""
    found = {name: getattr(module, name) for name in ("decode_audio", "get_speech_timestamps")}
    for owner, names in PATCHED.items():
        found |= {f"{owner}.{name}": vars(getattr(module, owner))[name] for name in names}
    found["generate"] = vars(module.ctranslate2.models.Whisper)["generate"]
    return found


def transcribe(module: Any) -> int:
    """Transcribe with a fresh model, and return the number of segments."""
    return len(list(module.WhisperModel("tiny").transcribe(AUDIO)[0]))


@pytest.mark.parametrize("name", INSTRUMENTORS)
def test_each_instrumentor_is_an_entry_point(name: str) -> None:
    """`opentelemetry-instrument` finds the instrumentors by their names."""
    (entry_point,) = entry_points(group="opentelemetry_instrumentor", name=name)
    assert entry_point.load() is INSTRUMENTORS[name]


def test_uninstrument_puts_every_original_back(fake_whisper: None, telemetry: CapturedTelemetry) -> None:
    """After uninstrument the engine's attributes are the objects they were."""
    module = importlib.import_module("faster_whisper.transcribe")
    before = originals(module)
    FasterWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    during = originals(module)
    assert [name for name in before if before[name] is during[name]] == []
    FasterWhisperInstrumentor().uninstrument()
    after = originals(module)
    assert [name for name in before if before[name] is not after[name]] == []
    assert transcribe(module) == 1
    assert telemetry.spans() == []


def test_an_engine_imported_before_is_instrumented(fake_whisper: None, telemetry: CapturedTelemetry) -> None:
    """The order of import and instrument does not matter."""
    module = importlib.import_module("faster_whisper.transcribe")
    FasterWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    transcribe(module)
    assert "speech_to_text tiny" in {span["name"] for span in telemetry.spans()}


def test_instrumenting_twice_is_instrumenting_once(fake_whisper: None, telemetry: CapturedTelemetry) -> None:
    """A second instrument() does not double the spans."""
    for _ in range(2):
        FasterWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    transcribe(importlib.import_module("faster_whisper.transcribe"))
    names = [span["name"] for span in telemetry.spans()]
    assert names.count("speech_to_text tiny") == 1
    assert FasterWhisperInstrumentor().is_instrumented_by_opentelemetry


def test_uninstrument_before_the_import_leaves_the_engine_alone(
    fake_whisper: None, telemetry: CapturedTelemetry
) -> None:
    """A hook that waits for an import does nothing once it has been called off."""
    FasterWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    FasterWhisperInstrumentor().uninstrument()
    module = importlib.import_module("faster_whisper.transcribe")
    assert not any(isinstance(found, wrapt.FunctionWrapper) for found in originals(module).values())
    transcribe(module)
    assert telemetry.spans() == []


def test_a_wrapper_around_ours_survives_uninstrument(
    fake_whisper: None, telemetry: CapturedTelemetry
) -> None:
    """What others wrapped around ours stays, and ours inside it falls silent, also after a new start."""
    module: Any = importlib.import_module("faster_whisper.transcribe")
    FasterWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    calls: list[str] = []

    def theirs(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        calls.append("theirs")
        return wrapped(*args, **kwargs)

    wrapt.wrap_function_wrapper(module, "WhisperModel.transcribe", theirs)
    FasterWhisperInstrumentor().uninstrument()
    assert transcribe(module) == 1
    assert (calls, telemetry.spans()) == (["theirs"], [])
    FasterWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    transcribe(module)
    assert [span["name"] for span in telemetry.spans()].count("speech_to_text tiny") == 1


@pytest.mark.parametrize("key", [context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"])
def test_suppression_is_honoured(whisper: Any, telemetry: CapturedTelemetry, key: str) -> None:
    """Under either suppression key there is no span and no metric."""
    token = context.attach(context.set_value(key, True))
    try:
        assert transcribe(whisper) == 1
    finally:
        context.detach(token)
    assert telemetry.spans() == []
    assert telemetry.metrics() == {}


def test_a_transcription_begun_under_suppression_stays_silent(
    whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """Segments read after the suppression has ended make no orphan spans."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    segments, _ = whisper.WhisperModel("tiny").transcribe(AUDIO)
    context.detach(token)
    list(segments)
    assert telemetry.spans() == []


def test_a_broken_tracer_does_not_reach_the_engine(
    fake_whisper: None, program: MakeProgram, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever telemetry raises, the engine runs once and its result is the same."""

    class Broken:
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return self

        def start_span(self, *_: Any, **__: Any) -> Any:
            raise ValueError("no spans today")

    FasterWhisperInstrumentor().instrument(tracer_provider=Broken())  # type: ignore[arg-type]  # broken on purpose
    EspeakNgInstrumentor().instrument(tracer_provider=Broken())  # type: ignore[arg-type]  # as above
    module: Any = importlib.import_module("faster_whisper.transcribe")
    assert transcribe(module) == 1
    espeak = program("espeak-ng", "echo spoken")
    assert subprocess.check_output([espeak, "--stdout", "hi"]) == b"spoken\n"
    assert "no spans today" not in caplog.text


def test_an_engine_of_another_version_is_instrumented_as_far_as_it_goes(
    fake_whisper: None, telemetry: CapturedTelemetry
) -> None:
    """A function that the installed version lacks costs its own span and nothing else."""
    module: Any = importlib.import_module("faster_whisper.transcribe")
    del module.WhisperModel.add_word_timestamps
    FasterWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    assert transcribe(module) == 1
    assert "speech.asr.decode" in {span["name"] for span in telemetry.spans()}


def test_nothing_is_imported_before_the_application_imports_it() -> None:
    """Instrumenting imports neither an engine nor the SDK."""
    script = """
import sys
from voxtrace import engines
for name in engines.__all__:
    getattr(engines, name)().instrument()
heavy = ("faster_whisper", "whisper", "torch", "piper", "onnxruntime", "argostranslate", "ctranslate2")
heavy += ("numpy", "av")
heavy += ("opentelemetry.sdk", "opentelemetry.instrumentation")
print(len(engines.__all__), [name for name in heavy if name in sys.modules])
"""
    assert run_script(script) == f"{len(INSTRUMENTORS)} []"


@pytest.mark.parametrize(
    ("instrumentor", "engine"),
    [("FasterWhisperInstrumentor", "faster_whisper"), ("OpenAIWhisperInstrumentor", "whisper")],
)
def test_an_absent_engine_is_left_alone(instrumentor: str, engine: str) -> None:
    """Without the engine installed, instrument() says and breaks nothing."""
    script = f"""
import sys
sys.modules["{engine}"] = None  # as if it were not installed
from voxtrace.engines import {instrumentor}
{instrumentor}().instrument()
try:
    import {engine}
except ImportError as error:
    print("absent:", error.name)
{instrumentor}().uninstrument()
"""
    assert run_script(script) == f"absent: {engine}"


def test_every_histogram_has_buckets_of_its_own(whisper: Any) -> None:
    """The default buckets of OpenTelemetry are for milliseconds; none of ours uses them."""
    reader = InMemoryMetricReader()
    FasterWhisperInstrumentor().uninstrument()
    FasterWhisperInstrumentor().instrument(meter_provider=MeterProvider([reader], shutdown_on_exit=False))
    transcribe(whisper)
    data = reader.get_metrics_data()
    assert data is not None
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    edges: dict[str, Any] = {
        metric.name: next(iter(metric.data.data_points)).explicit_bounds
        for metric in metrics
        if isinstance(metric.data, Histogram)
    }
    assert edges.keys() == {
        "gen_ai.client.operation.duration",
        "speech.audio.duration",
        "speech.language.probability",
        "speech.model.load.duration",
        "speech.real_time_factor",
        "speech.stage.duration",
    }
    assert {name for name, bounds in edges.items() if tuple(bounds[:3]) == (0, 5, 10)} == set()
    assert edges["gen_ai.client.operation.duration"][-1] == 600
    assert {0.1, 1.0} <= set(edges["speech.real_time_factor"])


def run_script(script: str) -> str:
    """Run Python code in a process of its own, and return what it printed."""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout.strip()
