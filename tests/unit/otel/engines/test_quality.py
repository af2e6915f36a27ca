"""What the engines' spans say of quality, and what is counted."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unit.otel.engines.verdicts import counted, flags, labels, root
from voxtrace.engines import FasterWhisperInstrumentor
from voxtrace.quality import configured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from voxtrace.testing import CapturedTelemetry

    MakeProgram = Callable[[str, str], Path]

RATE = 16000
TRANSCRIPT = ["low_confidence", "text_without_speech", "fallback"]
AUDIO = ["clipping", "silence", "level", "dc_offset", "noise"]


def test_a_doubtful_transcription_shows_its_verdicts(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """The span has the measurements, an event per verdict and the flags of those that failed, and no text."""
    whisper.RECORDINGS["quiet.wav"] = [0.0] * 32000 + [1.0, 1.0, -1.0, -1.0] * 4000
    model = whisper.WhisperModel("tiny.en")
    phrase = " and then we went home" * 8
    model.heard.windows = [
        whisper.Window(
            attempts=((0.0, False), (0.2, True)),
            segments=(whisper.Segment(0.0, 1.0, phrase, -1.25, 4.5, 0.75), whisper.Segment(1.0, 2.0, " no")),
        )
    ]
    list(model.transcribe("quiet.wav", vad_filter=True, language="fr")[0])
    span = root(telemetry)

    def result(name: str, score: float, fault: str | None = None) -> dict[str, Any]:
        event: dict[str, Any] = {
            "name": "gen_ai.evaluation.result",
            "gen_ai.evaluation.name": name,
            "gen_ai.evaluation.score.label": "fail" if fault else "pass",
            "gen_ai.evaluation.score.value": pytest.approx(score, abs=0.01),
        }
        return event | ({"gen_ai.evaluation.explanation": fault} if fault else {})

    assert span["events"] == [
        result("clipping", 1 / 3, "0.3333 > 0.05"),
        result("silence", 2 / 3, "0.6667 > 0.5"),
        result("level", -4.77),
        result("dc_offset", 0.0),
        result("noise", 0.0, "0 < 12"),
        result("low_confidence", -0.875),
        result("repetition", 4.5, "4.5 > 2.4"),
        result("text_without_speech", 0.5),
        result("language_mismatch", 1.0, "not the language that was requested"),
        result("fallback", 1.0, "1 > 0"),
        result("truncated", 0.25),
    ]
    assert flags(span) == ["clipping", "silence", "noise", "repetition", "language_mismatch", "fallback"]
    measured = {key: value for key, value in span["attributes"].items() if key.startswith("speech.audio.")}
    assert measured == {
        "speech.audio.clipping_ratio": pytest.approx(1 / 3),
        "speech.audio.dc_offset": 0.0,
        "speech.audio.duration": 3.0,
        "speech.audio.loudness": pytest.approx(-4.77, abs=0.01),
        "speech.audio.peak_level": 0.0,
        "speech.audio.silence_ratio": pytest.approx(2 / 3),
        "speech.audio.snr": pytest.approx(0.0, abs=0.01),
        "speech.audio.speech_duration": 2.25,
    }
    assert "home" not in str(telemetry.spans())


def test_flags_are_counted_by_name_engine_and_model(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """The counter has a series per flag, engine and model; a clean transcription adds none."""
    model = whisper.WhisperModel("tiny")
    list(model.transcribe("a.wav")[0])
    assert "speech.quality.flags" not in telemetry.metrics()
    model.heard.windows = [whisper.Window(segments=(whisper.Segment(0.0, 2.0, " hm", avg_logprob=-1.5),))]
    list(model.transcribe("a.wav")[0])
    list(model.transcribe("a.wav")[0])
    assert telemetry.metrics()["speech.quality.flags"] == [
        {
            "attributes": {
                "gen_ai.operation.name": "speech_to_text",
                "gen_ai.provider.name": "faster_whisper",
                "gen_ai.request.model": "tiny",
                "speech.quality.flag.name": "low_confidence",
            },
            "value": 2,
        }
    ]


def test_a_clean_transcription_has_verdicts_and_no_flag(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """All that is known passes: without voice activity detection nothing is known of truncation."""
    list(whisper.WhisperModel("tiny").transcribe("a.wav")[0])
    span = root(telemetry)
    assert labels(span) == dict.fromkeys([*AUDIO, *TRANSCRIPT], "pass")
    assert "speech.quality.flags" not in span["attributes"]


@pytest.mark.parametrize(
    ("name", "requested", "flagged"),
    [
        ("tiny", None, None),
        ("tiny", "es", False),
        ("tiny", "fr", False),
        ("tiny.en", "en", False),
        ("tiny.en", "fr", True),
        ("tiny.en", None, None),
    ],
)
def test_a_language_is_a_mismatch_where_another_was_used(
    whisper: Any, telemetry: CapturedTelemetry, name: str, requested: str | None, flagged: bool | None
) -> None:
    """A model that knows English alone answers in it; one that was told the language believes it."""
    list(whisper.WhisperModel(name).transcribe("a.wav", language=requested)[0])
    span = root(telemetry)
    expected = {None: None, False: "pass", True: "fail"}[flagged]
    assert labels(span).get("language_mismatch") == expected
    assert "speech.language.detected" not in span["attributes"] or requested is None


def test_a_detected_language_is_held_to_the_expected_ones(
    fake_whisper: None, telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VOXTRACE_QUALITY_LANGUAGES is asked where the engine detected a language, and only there."""
    monkeypatch.setenv("VOXTRACE_QUALITY_LANGUAGES", "en,de")
    FasterWhisperInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    try:
        from faster_whisper import transcribe as module  # noqa: PLC0415  # the fake, once it can be found

        list(module.WhisperModel("tiny").transcribe("a.wav")[0])
        list(module.WhisperModel("tiny.en").transcribe("a.wav")[0])
    finally:
        FasterWhisperInstrumentor().uninstrument()
    found = [flags(span) for span in telemetry.spans() if span["name"].startswith("speech_to_text")]
    assert found == [["language_mismatch"], []]


@pytest.mark.parametrize(("end", "flagged"), [(33.1, False), (33.0, True)])
def test_a_transcript_that_ends_before_the_speech_is_truncated(
    whisper: Any, telemetry: CapturedTelemetry, end: float, flagged: bool
) -> None:
    """Voice activity detection heard speech up to 36 s; three seconds without text are too many."""
    whisper.RECORDINGS["long.wav"] = whisper.SPEECH * 12
    model = whisper.WhisperModel("tiny.en")
    model.heard.windows = [whisper.Window(segments=(whisper.Segment(0.0, end - 0.05, " words"),))]
    list(model.transcribe("long.wav", vad_filter=True)[0])
    assert ("truncated" in flags(root(telemetry))) is flagged


def test_speech_that_gives_no_text_at_all_is_truncated(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """An empty transcript of 36 s of speech is flagged, and has no confidence to judge."""
    whisper.RECORDINGS["long.wav"] = whisper.SPEECH * 12
    model = whisper.WhisperModel("tiny.en")
    model.heard.windows = [whisper.Window(segments=())]
    list(model.transcribe("long.wav", vad_filter=True)[0])
    span = root(telemetry)
    assert labels(span) == {**dict.fromkeys([*AUDIO, "fallback"], "pass"), "truncated": "fail"}


def test_the_batched_pipeline_is_judged_although_it_guards_against_nothing(
    whisper: Any, telemetry: CapturedTelemetry
) -> None:
    """The engine ignores its own thresholds in batches; ours hold, by the array that the caller decoded."""
    model = whisper.WhisperModel("tiny.en")
    repeated = whisper.Segment(0.0, 3.0, " it is it is it is", -1.1, 3.0, 0.7)
    model.heard.windows = [whisper.Window(segments=(repeated,))]
    samples = np.clip(np.array(whisper.SPEECH, dtype="float32") * 8, -1.0, 1.0)
    list(whisper.BatchedInferencePipeline(model).transcribe(samples)[0])
    assert flags(root(telemetry)) == ["clipping", "low_confidence", "repetition", "text_without_speech"]


def test_repetition_is_that_of_the_worst_segment(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """One segment that repeats itself counts, also among good ones; a short one never does."""
    model = whisper.WhisperModel("tiny.en")
    good = whisper.Segment(0.0, 5.0, " and every age has its belief", compression_ratio=1.2)
    short = whisper.Segment(5.0, 6.0, " no no", compression_ratio=9.0)
    loop = whisper.Segment(6.0, 7.0, " it is it is it is", compression_ratio=3.0)
    for segments in ((good, short, good), (good, loop, good)):
        model.heard.windows = [whisper.Window(segments=segments)]
        list(model.transcribe("a.wav")[0])
    found = [flags(span) for span in telemetry.spans() if span["name"].startswith("speech_to_text")]
    assert found == [[], ["repetition"]]


def test_a_score_that_is_no_number_is_left_out(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """NaN raises its flag, and stays out of the event: not every back end can store it."""
    model = whisper.WhisperModel("tiny.en")
    broken = whisper.Segment(0.0, 2.0, " fresh air", avg_logprob=float("nan"))
    model.heard.windows = [whisper.Window(segments=(broken,))]
    list(model.transcribe("a.wav")[0])
    events = {event["gen_ai.evaluation.name"]: event for event in root(telemetry)["events"]}
    assert events["low_confidence"] == {
        "name": "gen_ai.evaluation.result",
        "gen_ai.evaluation.explanation": "nan < -1",
        "gen_ai.evaluation.name": "low_confidence",
        "gen_ai.evaluation.score.label": "fail",
    }
    assert flags(root(telemetry)) == ["low_confidence"]


def test_a_failed_transcription_is_judged_by_its_audio(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """Where the engine gave up there is no transcript to judge; that the recording was silent may be why."""
    whisper.RECORDINGS["zeros.wav"] = [0.0] * RATE
    model = whisper.WhisperModel("tiny.en")
    model.heard.windows = [whisper.Window(), whisper.Window(error=RuntimeError("out of memory"))]
    segments, _ = model.transcribe("zeros.wav")
    with pytest.raises(RuntimeError):
        list(segments)
    assert labels(root(telemetry)) == {
        "clipping": "pass",
        "silence": "fail",
        "level": "fail",
        "dc_offset": "pass",
    }
    assert counted(telemetry) == {"silence": 1, "level": 1}


def test_a_transcript_read_in_part_is_not_judged(whisper: Any, telemetry: CapturedTelemetry) -> None:
    """What was dropped half-way has measurements, but neither verdicts nor counts."""
    whisper.RECORDINGS["zeros.wav"] = [0.0] * RATE
    segments, _ = whisper.WhisperModel("tiny.en").transcribe("zeros.wav")
    del segments
    gc.collect()
    span = root(telemetry)
    assert span["attributes"]["speech.audio.silence_ratio"] == 1.0
    assert (labels(span), counted(telemetry)) == ({}, {})


def test_without_numpy_the_transcript_is_judged_alone(
    whisper: Any,
    telemetry: CapturedTelemetry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An engine without numpy costs the measurements of its audio, and not a line in the log."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    list(whisper.WhisperModel("tiny").transcribe("a.wav")[0])
    span = root(telemetry)
    assert labels(span) == dict.fromkeys(TRANSCRIPT, "pass")
    assert "speech.audio.snr" not in span["attributes"]
    assert caplog.records == []


def test_thresholds_may_be_given_in_code(fake_whisper: None, telemetry: CapturedTelemetry) -> None:
    """An instrumentor judges by the thresholds that it is given."""
    FasterWhisperInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        thresholds=configured(avg_logprob=-0.4),
    )
    try:
        from faster_whisper import transcribe as module  # noqa: PLC0415  # the fake, once it can be found

        list(module.WhisperModel("tiny").transcribe("a.wav")[0])
    finally:
        FasterWhisperInstrumentor().uninstrument()
    assert flags(root(telemetry)) == ["low_confidence"]
