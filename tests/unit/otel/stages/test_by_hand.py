"""Stages of engines that Voxtrace does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace

from voxtrace import stages

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

pytestmark = pytest.mark.usefixtures("instruments")

SHARED = {"gen_ai.provider.name": "mine", "gen_ai.request.model": "large"}


def timeless(span: dict[str, Any]) -> dict[str, Any]:
    """A span without what depends on the machine's speed, its verdicts by name."""
    for name in ("speech.engine.duration", "speech.real_time_factor", "speech.tts.first_audio"):
        span.get("attributes", {}).pop(name, None)
    if events := span.pop("events", None):
        span["verdicts"] = {
            event["gen_ai.evaluation.name"]: event["gen_ai.evaluation.score.label"] for event in events
        }
    return {key: value for key, value in span.items() if key not in {"start", "end"}}


def point(telemetry: CapturedTelemetry, metric: str) -> dict[str, Any]:
    """The one data point of a metric."""
    (found,) = telemetry.metrics()[metric]
    return found


def test_a_transcription_is_one_span_with_its_stages(telemetry: CapturedTelemetry) -> None:
    """What was asked, heard and found is on one span, and its stage is a child of it."""
    with stages.transcription(provider="mine", model="large", language="en") as work:
        work.audio(2.0)
        with work.stage("encode"):
            pass
        work.hear(" Hello there.")
        work.detect("de", 0.75)
        work.confide(avg_logprob=-0.5, no_speech_probability=0.25, compression_ratio=1.5)
    root, encode = map(timeless, telemetry.spans())
    assert encode == {"name": "speech.encode", "trace": 1, "span": 2, "parent": 1}
    assert root == {
        "name": "speech_to_text large",
        "trace": 1,
        "span": 1,
        "attributes": {
            **SHARED,
            "gen_ai.operation.name": "speech_to_text",
            "gen_ai.output.type": "text",
            "speech.asr.avg_logprob": -0.5,
            "speech.asr.character.count": 12,
            "speech.asr.compression_ratio": 1.5,
            "speech.asr.confidence": pytest.approx(0.6065, abs=1e-4),
            "speech.asr.language": "de",
            "speech.asr.no_speech_probability": 0.25,
            "speech.asr.segment.count": 1,
            "speech.asr.word.count": 2,
            "speech.audio.duration": 2.0,
            "speech.language.detected": "de",
            "speech.language.probability": 0.75,
            "speech.language.requested": "en",
            "speech.quality.flags": ["language_mismatch"],
        },
        "verdicts": {
            "low_confidence": "pass",
            "text_without_speech": "pass",
            "language_mismatch": "fail",
        },
    }


def test_a_language_other_than_asked_for_is_counted(telemetry: CapturedTelemetry) -> None:
    """One mismatch tells the language that was asked for and the one that was heard; a match tells none."""
    for heard in ("en", "de"):
        with stages.transcription(provider="mine", model="large", language="en") as work:
            work.detect(heard, 0.9)
    found = point(telemetry, "speech.language.mismatches")
    assert found["value"] == 1
    assert found["attributes"] == {
        **SHARED,
        "gen_ai.operation.name": "speech_to_text",
        "speech.asr.language": "de",
        "speech.language.requested": "en",
    }


def test_a_translation_counts_both_texts(telemetry: CapturedTelemetry) -> None:
    """Characters and words of both sides and the unknown words' share are on the span, no text is."""
    with stages.translation(
        provider="mine", model="large", source_language="en", target_language="es"
    ) as work:
        work.source("The xyzzy runs.")
        work.target("El xyzzy corre.", unknown_words=1)
    (span,) = map(timeless, telemetry.spans())
    assert span == {
        "name": "translate large",
        "trace": 1,
        "span": 1,
        "attributes": {
            **SHARED,
            "gen_ai.operation.name": "translate",
            "gen_ai.output.type": "text",
            "speech.translation.input.character.count": 15,
            "speech.translation.input.word.count": 3,
            "speech.translation.output.character.count": 15,
            "speech.translation.output.word.count": 3,
            "speech.translation.source_language": "en",
            "speech.translation.target_language": "es",
            "speech.translation.unknown_word.count": 1,
            "speech.translation.unknown_word.ratio": pytest.approx(1 / 3),
            "speech.quality.flags": ["unknown_words"],
        },
        "verdicts": {"unknown_words": "fail", "length_ratio": "pass"},
    }
    assert point(telemetry, "speech.words")["value"] == 3
    assert point(telemetry, "speech.usage.characters")["value"] == 15


def test_a_synthesis_counts_what_is_spoken(telemetry: CapturedTelemetry) -> None:
    """Stage directions are no words and no characters, neither on the span nor in a metric."""
    with stages.synthesis(provider="mine", model="large", voice="ana", language="es") as work:
        work.text("(happy) Hola [whispers] mundo")
        work.first_audio()
        work.first_audio()
        work.audio(1.5)
    (span,) = telemetry.spans()
    first = span["attributes"]["speech.tts.first_audio"]
    assert timeless(span) == {
        "name": "text_to_speech large",
        "trace": 1,
        "span": 1,
        "attributes": {
            **SHARED,
            "gen_ai.operation.name": "text_to_speech",
            "gen_ai.output.type": "speech",
            "speech.audio.duration": 1.5,
            "speech.tts.character.count": 10,
            "speech.tts.language": "es",
            "speech.tts.voice": "ana",
            "speech.tts.word.count": 2,
        },
        "verdicts": {"characters_per_second": "pass"},
    }
    duration = point(telemetry, "speech.tts.duration")
    assert duration["attributes"] == {
        "speech.tts.voice": "ana",
        "speech.tts.language": "es",
        "speech.tts.word_range": "1-10",
        "speech.tts.character_range": "1-50",
    }
    assert point(telemetry, "speech.tts.time_to_first_audio")["sum"] == first
    assert point(telemetry, "speech.words")["value"] == 2


def test_samples_are_judged_and_not_kept(telemetry: CapturedTelemetry) -> None:
    """Silence is flagged as silent, on the way in and out, and gives the length where none was told."""
    silence = [0.0] * 16_000
    with stages.transcription(provider="mine") as work:
        work.audio(samples=silence, sample_rate=8_000)
    with stages.synthesis(provider="mine") as work:
        work.audio(2.0, samples=silence, sample_rate=8_000)
    heard, spoken = telemetry.spans()
    assert heard["attributes"]["speech.audio.duration"] == 2.0
    assert heard["attributes"]["speech.quality.flags"] == ["silence", "level"]
    assert spoken["attributes"]["speech.quality.flags"] == ["silent"]
    flags = {
        found["attributes"]["speech.quality.flag.name"]
        for found in telemetry.metrics()["speech.quality.flags"]
    }
    assert flags == {"silence", "level", "silent"}


def test_the_work_is_current_in_its_block_alone(telemetry: CapturedTelemetry) -> None:
    """What the block calls belongs to the work, what comes after does not."""
    with stages.translation(provider="mine") as work:
        assert trace.get_current_span() is work.span
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert telemetry.open_spans() == []


def test_an_exception_fails_the_work_and_goes_on(telemetry: CapturedTelemetry) -> None:
    """The caller gets its own exception; span and metrics have its type and no words."""
    error = ValueError("something secret")

    def transcribe() -> None:
        with stages.transcription(provider="mine") as work:
            work.audio(2.0)
            raise error

    with pytest.raises(ValueError, match="secret") as caught:
        transcribe()
    assert caught.value is error
    (span,) = telemetry.spans()
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "ValueError")
    assert "secret" not in str(telemetry.spans())
    assert point(telemetry, "gen_ai.client.operation.duration")["attributes"]["error.type"] == "ValueError"
    assert "speech.real_time_factor" not in telemetry.metrics()
    assert point(telemetry, "speech.usage.audio")["attributes"]["speech.usage.outcome"] == "failed"


def test_work_ends_once(telemetry: CapturedTelemetry) -> None:
    """A failure that was told is not told again at the end of the block."""
    with stages.translation(provider="mine") as work:
        work.finish(ValueError())
    assert len(telemetry.spans()) == 1
    assert point(telemetry, "gen_ai.client.operation.duration")["count"] == 1


def test_content_leaves_only_where_it_is_switched_on(
    telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts are on no span by default; switched on, they are there under names of `speech.pii` alone."""

    def work() -> dict[str, Any]:
        telemetry.clear()
        with stages.transcription(provider="mine") as transcription:
            transcription.hear("canary-1")
        with stages.translation(provider="mine") as translation:
            translation.source("canary-2")
            translation.target("canary-3")
        with stages.synthesis(provider="mine") as synthesis:
            synthesis.text("canary-4")
        return {key: value for span in telemetry.spans() for key, value in span["attributes"].items()}

    assert "canary" not in str(work())
    monkeypatch.setenv("VOXTRACE_CAPTURE_CONTENT", "true")
    found = work()
    assert {key: value for key, value in found.items() if "canary" in str(value)} == {
        "speech.pii.transcript": "canary-1",
        "speech.pii.source_text": "canary-2",
        "speech.pii.translation": "canary-3",
        "speech.pii.spoken_text": "canary-4",
    }
    assert "canary" not in str(telemetry.metrics())


def test_an_upload_is_told_on_the_span_of_its_request(telemetry: CapturedTelemetry) -> None:
    """Length, size and container are on the current span, and the size is measured."""
    with telemetry.tracer("web").start_as_current_span("POST /uploads"):
        stages.upload(audio_seconds=3.5, size=70_000, container="wav")
    (span,) = telemetry.spans()
    assert span["attributes"] == {
        "speech.audio.duration": 3.5,
        "speech.audio.size": 70_000,
        "speech.audio.container": "wav",
    }
    size = point(telemetry, "speech.audio.size")
    assert (size["sum"], size["attributes"]) == (70_000, {"speech.audio.container": "wav"})


@pytest.mark.parametrize("container", ["../../etc/passwd", "my holiday.wav", "", "a" * 17])
def test_what_is_no_container_is_left_out(telemetry: CapturedTelemetry, container: str) -> None:
    """A file's name in place of its container reaches neither span nor metric."""
    with telemetry.tracer("web").start_as_current_span("POST /uploads"):
        stages.upload(size=1, container=container)
    assert telemetry.spans()[0]["attributes"] == {"speech.audio.size": 1}
    assert point(telemetry, "speech.audio.size")["attributes"] == {}


def test_an_error_is_counted_by_part_and_type(telemetry: CapturedTelemetry) -> None:
    """`record_error` takes an exception or a word, and keeps of the exception its type."""
    stages.record_error("mixer", ValueError("something secret"))
    stages.record_error("mixer", "overload")
    found = {
        (found["attributes"]["speech.component.name"], found["attributes"]["error.type"]): found["value"]
        for found in telemetry.metrics()["speech.errors"]
    }
    assert found == {("mixer", "ValueError"): 1, ("mixer", "overload"): 1}


def test_a_timer_tells_its_seconds(telemetry: CapturedTelemetry) -> None:
    """A timer measures its block, and records it under the stage it is given, failed or not."""
    with stages.Timer() as silent:
        pass
    assert silent.seconds > 0
    assert "speech.stage.duration" not in telemetry.metrics()
    with pytest.raises(KeyError), stages.Timer("mix", provider="mine") as timer:
        raise KeyError
    found = point(telemetry, "speech.stage.duration")
    assert found["sum"] == timer.seconds
    assert found["attributes"] == {
        "speech.stage.name": "mix",
        "gen_ai.provider.name": "mine",
        "error.type": "KeyError",
    }
