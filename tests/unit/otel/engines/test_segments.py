"""The lazy generator: what its reader may do, and what the span makes of it."""

from __future__ import annotations

import gc
import inspect
import types
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace.testing import CapturedTelemetry

AUDIO = [0.0] * 64000
ROOT = "speech_to_text tiny.en"


@pytest.fixture
def model(whisper: Any, telemetry: CapturedTelemetry) -> Any:
    """A loaded model that will hear three windows of one segment each."""
    model = whisper.WhisperModel("tiny.en")
    model.heard.windows = [whisper.Window() for _ in range(3)]
    telemetry.clear()
    return model


def root(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the one root span."""
    (span,) = [span for span in telemetry.spans() if span["name"] == ROOT]
    return span


def test_the_segments_are_still_the_engines_generator(model: Any) -> None:
    """Code that asks for the type, or uses a generator's own methods, sees a generator."""
    segments, _ = model.transcribe(AUDIO)
    assert isinstance(segments, types.GeneratorType)
    assert inspect.isgenerator(segments)
    assert iter(segments) is segments
    assert bool(segments)
    assert next(segments).text == " fresh air"
    assert segments.send(None).text == " fresh air"
    assert segments.gi_frame is not None
    assert len(list(segments)) == 1
    assert list(segments) == []
    assert segments.gi_frame is None


def test_yield_from_reads_the_segments(model: Any, telemetry: CapturedTelemetry) -> None:
    """A caller's own generator may delegate to the segments."""

    def delegating() -> Iterator[Any]:
        yield from model.transcribe(AUDIO)[0]

    assert len(list(delegating())) == 3
    assert "speech.asr.incomplete" not in root(telemetry)["attributes"]


def test_the_span_is_open_until_the_last_segment_is_read(model: Any, telemetry: CapturedTelemetry) -> None:
    """The span ends with the generator, not with the call of transcribe."""
    segments, _ = model.transcribe(AUDIO)
    assert telemetry.open_spans() == [ROOT]
    next(segments)
    assert telemetry.open_spans() == [ROOT]
    list(segments)
    assert telemetry.open_spans() == []
    assert root(telemetry)["attributes"]["speech.asr.segment.count"] == 3


def test_the_span_does_not_leak_into_the_reader(model: Any) -> None:
    """Between two segments the reader's own span is current; inside the engine it is ours."""
    before = context.get_current()
    segments, _ = model.transcribe(AUDIO)
    assert context.get_current() == before
    for _ in segments:
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert context.get_current() == before
    assert all(span.name == ROOT for span in model.heard.spans_while_working)
    assert len(model.heard.spans_while_working) == 3


def test_the_stages_keep_their_parent_across_threads(model: Any, telemetry: CapturedTelemetry) -> None:
    """Each segment may be read by another thread; the stages stay children of the root."""
    segments, _ = model.transcribe(AUDIO)
    for _ in range(4):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(next, segments, None).result()
    parents = {span.get("parent") for span in telemetry.spans() if span["name"].startswith("speech.asr.")}
    assert parents == {root(telemetry)["span"]}


def test_concurrent_transcriptions_keep_their_stages_apart(model: Any, telemetry: CapturedTelemetry) -> None:
    """Two transcriptions read in turn do not get each other's stages."""
    first, _ = model.transcribe(AUDIO)
    second, _ = model.transcribe(AUDIO)
    for pair in zip(first, second, strict=True):
        assert len(pair) == 2
    list(second)
    parents = [span.get("parent") for span in telemetry.spans() if span["name"] == "speech.asr.decode"]
    roots = [span["span"] for span in telemetry.spans() if span["name"] == ROOT]
    assert len(roots) == 2
    assert [parents.count(number) for number in roots] == [3, 3]


@pytest.mark.parametrize("how", ["close", "drop", "cycle", "throw"])
def test_an_abandoned_transcription_ends_as_incomplete(
    model: Any, telemetry: CapturedTelemetry, how: str
) -> None:
    """A transcript that nobody reads to its end is marked so, is no error, and is not measured."""
    segments, _ = model.transcribe(AUDIO)
    next(segments)
    if how == "close":
        segments.close()
        assert telemetry.open_spans() == []
    elif how == "throw":
        with pytest.raises(GeneratorExit):
            segments.throw(GeneratorExit)
    elif how == "cycle":
        cycle = [segments]
        cycle.append(cycle)
        del cycle
    del segments
    gc.collect()
    span = root(telemetry)
    assert span["attributes"]["speech.asr.incomplete"] is True
    assert span["attributes"]["speech.asr.segment.count"] == 1
    assert "speech.real_time_factor" not in span["attributes"]
    assert "status" not in span
    assert "gen_ai.client.operation.duration" not in telemetry.metrics()


def test_segments_that_nobody_reads_end_as_incomplete(model: Any, telemetry: CapturedTelemetry) -> None:
    """Dropping the segments unread leaves no span open."""
    model.transcribe(AUDIO)
    gc.collect()
    assert root(telemetry)["attributes"]["speech.asr.incomplete"] is True


def test_an_exception_while_reading_is_the_engines_own(
    whisper: Any, model: Any, telemetry: CapturedTelemetry
) -> None:
    """The very exception reaches the reader; the span is ERROR and quotes nothing of it."""
    raised = RuntimeError("CUDA failed with 'my secret words'")
    model.heard.windows[1] = whisper.Window(error=raised)
    segments, _ = model.transcribe(AUDIO)
    next(segments)
    with pytest.raises(RuntimeError) as caught:
        next(segments)
    assert caught.value is raised
    span = root(telemetry)
    assert span["status"] == "ERROR"
    assert span["attributes"]["error.type"] == "RuntimeError"
    assert "secret" not in str(telemetry.spans())
    assert list(segments) == []


def test_an_interrupt_while_reading_ends_the_span(
    whisper: Any, model: Any, telemetry: CapturedTelemetry
) -> None:
    """Ctrl-C is an error of the transcription, and passes."""
    model.heard.windows[0] = whisper.Window(error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        list(model.transcribe(AUDIO)[0])
    assert root(telemetry)["attributes"]["error.type"] == "KeyboardInterrupt"


def test_closing_after_the_end_changes_nothing(model: Any, telemetry: CapturedTelemetry) -> None:
    """A complete transcript stays complete, and is measured once."""
    segments, _ = model.transcribe(AUDIO)
    list(segments)
    assert list(segments) == []
    segments.close()
    assert "speech.asr.incomplete" not in root(telemetry)["attributes"]
    (point,) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert point["count"] == 1
