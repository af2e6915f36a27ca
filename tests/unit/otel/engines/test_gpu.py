"""Stages on a GPU, timed by its own events: PyTorch's, on a clock that the test moves."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from unit.otel.engines.reading import only
from voxtrace.engines import OpenAIWhisperInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace.testing import CapturedTelemetry

GPU = {"encode": "speech.asr.encode.gpu_duration", "decode": "speech.asr.decode.gpu_duration"}


class Cuda:
    """`torch.cuda`, as far as events go: its queue stands at `now`, in milliseconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[Any] = []
        self.waited: list[Any] = []
        cuda = self

        class Event:
            def __init__(self, *, enable_timing: bool) -> None:
                assert enable_timing
                self.at: float | None = None
                cuda.events.append(self)

            def record(self, stream: str) -> None:
                assert stream == "stream of cuda:1"
                self.at = cuda.now

            def synchronize(self) -> None:
                cuda.waited.append(self)

            def elapsed_time(self, end: Event) -> float:
                assert self.at is not None
                assert end.at is not None
                return end.at - self.at

        self.Event = Event

    def current_stream(self, device: Any) -> str:
        """Return the stream that the device works on."""
        return f"stream of {device.type}:{device.index}"


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    """A PyTorch with a GPU, imported."""
    cuda = Cuda()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    return cuda


@pytest.fixture(autouse=True)
def _uninstrumented() -> Iterator[None]:
    yield
    OpenAIWhisperInstrumentor().uninstrument()


def transcribe(telemetry: CapturedTelemetry, cuda: Cuda, **options: Any) -> dict[str, Any]:
    """Transcribe on the GPU, two attempts at one window; return the root's attributes."""
    engine: Any = importlib.import_module("whisper")
    encoder = importlib.import_module("whisper.model").AudioEncoder
    task = importlib.import_module("whisper.decoding").DecodingTask
    slower(encoder, "forward", cuda, 500)
    slower(task, "_main_loop", cuda, 250)
    OpenAIWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider, **options)
    model = engine.load_model("tiny.en")
    model.device = SimpleNamespace(type="cuda", index=1)
    model.heard.windows[0].good_from = 0.2
    model.transcribe("a.wav")
    return only(telemetry, "speech_to_text tiny.en")


def slower(owner: Any, name: str, cuda: Cuda, milliseconds: float) -> None:
    """Let a function's work take the GPU that long."""
    original = vars(owner)[name]

    def replacement(*args: Any) -> Any:
        result = original(*args)
        cuda.now += milliseconds
        return result

    setattr(owner, name, replacement)


def test_the_root_says_how_long_the_gpu_worked_on_each_stage(
    fake_whisper: None, telemetry: CapturedTelemetry, cuda: Cuda
) -> None:
    """Two attempts encode and decode twice; the encoder's time is not the decoder's, in which it runs."""
    root = transcribe(telemetry, cuda)
    assert {name: root[attribute] for name, attribute in GPU.items()} == {"encode": 1.0, "decode": 0.5}
    assert "speech.asr.align.gpu_duration" not in root
    assert root["speech.asr.decode.duration"] < 0.5


def test_nobody_waits_for_the_gpu_while_it_works(
    fake_whisper: None, telemetry: CapturedTelemetry, cuda: Cuda
) -> None:
    """The one event that is waited for is the last, when the engine has its result."""
    transcribe(telemetry, cuda)
    assert len(cuda.events) == 8
    assert cuda.waited == [cuda.events[-1]]


def test_gpu_timing_can_be_switched_off(fake_whisper: None, telemetry: CapturedTelemetry, cuda: Cuda) -> None:
    """Without it there are no events, and the wall clock's durations as ever."""
    root = transcribe(telemetry, cuda, gpu_timing="off")
    assert cuda.events == []
    assert not set(GPU.values()) & root.keys()
    assert root["speech.asr.encode.count"] == 2


def test_a_gpu_that_refuses_events_does_not_reach_the_engine(
    fake_whisper: None, telemetry: CapturedTelemetry, cuda: Cuda, caplog: pytest.LogCaptureFixture
) -> None:
    """A failing event costs the GPU's times and nothing else."""
    cuda.current_stream = lambda device: (_ for _ in ()).throw(RuntimeError("no stream"))  # type: ignore[method-assign]  # broken on purpose
    root = transcribe(telemetry, cuda)
    assert not set(GPU.values()) & root.keys()
    assert root["speech.asr.segment.count"] == 1
    assert "no stream" not in caplog.text
    assert "describe" not in caplog.text


def test_a_failed_transcription_says_nothing_of_the_gpu(
    fake_whisper: None, telemetry: CapturedTelemetry, cuda: Cuda
) -> None:
    """After an error the device may be lost: nobody asks it."""
    engine: Any = importlib.import_module("whisper")
    OpenAIWhisperInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    model = engine.load_model("tiny.en")
    model.device = SimpleNamespace(type="cuda", index=1)
    model.heard.windows[0].error = RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        model.transcribe("a.wav")
    assert cuda.waited == []
    assert not set(GPU.values()) & only(telemetry, "speech_to_text tiny.en").keys()
