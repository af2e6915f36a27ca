"""The synthesis worker as a process, with the real Piper in it, on a real broker."""

from __future__ import annotations

import io
import signal
import wave
from typing import TYPE_CHECKING

import pytest

from integration.gateway.otlp import Receiver
from voxtrace_services.core.messages import SynthesizeRequest
from voxtrace_services.core.results import Translation
from voxtrace_services.core.settings import Settings
from voxtrace_services.synthesis import engine

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from integration.services.workers import Site

TEXT = "It was the best of times. It was the worst of times."


def test_a_job_is_spoken_and_its_trace_shows_each_sentence(site: Site) -> None:
    """A translation becomes speech as long as its span says, below the job's own process span."""
    translation = Translation(text=TEXT, source_language="es", target_language="en")
    site.store.write("job/translation.json", translation.model_dump_json().encode())
    with Receiver() as receiver:
        site.environment = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        }
        worker = site.start("synthesis", synthesis_engine="piper")
        request = SynthesizeRequest(job_id="job", translation="job/translation.json", language="en")
        site.send(request.outgoing("synthesize"))
        assert site.event()["outcome"] == "completed"
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
    with wave.open(io.BytesIO(site.store.read("job/speech.wav"))) as file:
        seconds = file.getnframes() / file.getframerate()
    assert seconds > 2
    spans = {span.span_id: span for span in receiver.spans}
    (root,) = [span for span in spans.values() if span.name == "text_to_speech en_US-joe-medium"]
    assert number(root, "speech.audio.duration") == pytest.approx(seconds)
    children = [span.name for span in spans.values() if span.parent_span_id == root.span_id]
    assert sorted(children) == ["speech.tts.phonemize", *["speech.tts.synthesize"] * 2]
    assert spans[root.parent_span_id].name == "process speech:synthesize"
    assert [span.name for span in spans.values() if "load" in span.name] == [
        "speech.model.load en_US-joe-medium"
    ]
    assert "best of times" not in f"{receiver.spans}{worker.log.read_text()}"


def test_the_bundled_voice_says_nothing_of_nothing() -> None:
    """A text without a word is a short silence, not a broken WAV file."""
    sound = engine.load(Settings(synthesis_engine="piper")).synthesize(" ", "en-US", None)
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(0.1)


def number(span: Span, key: str) -> float | None:
    """An attribute's number."""
    return next((each.value.double_value for each in span.attributes if each.key == key), None)
