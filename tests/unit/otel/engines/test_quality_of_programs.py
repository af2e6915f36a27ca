"""How runs of programs are judged: synthesized speech, and translations."""

from __future__ import annotations

import io
import subprocess
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unit.otel.engines.verdicts import counted, flags, labels, root
from voxtrace.engines import ApertiumInstrumentor, EspeakNgInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from voxtrace.testing import CapturedTelemetry

    MakeProgram = Callable[[str, str], Path]

RATE = 16000


@pytest.fixture
def programs(telemetry: CapturedTelemetry) -> Iterator[None]:
    """Apertium and eSpeak NG, instrumented."""
    instrumentors = (ApertiumInstrumentor(), EspeakNgInstrumentor())
    for instrumentor in instrumentors:
        instrumentor.instrument(
            tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
        )
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


def speech(samples: np.ndarray[Any, Any]) -> bytes:
    """Return 16-bit mono samples as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


BUZZ = np.resize([8192, -8192], 2 * RATE)


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((BUZZ, "hola mundo"), []),
        ((BUZZ * 0, "hola mundo"), ["silent"]),
        ((np.resize([32767, 32767, -32768, -32768], 2 * RATE), "hola mundo"), ["clipped"]),
        ((BUZZ, "hola mundo" * 7), ["characters_per_second"]),
        ((BUZZ, "hola"), []),
    ],
    ids=["good", "silent", "clipped", "fast", "short"],
)
def test_synthesized_speech_is_heard(
    telemetry: CapturedTelemetry,
    program: MakeProgram,
    tmp_path: Path,
    said: tuple[np.ndarray[Any, Any], str],
    expected: list[str],
) -> None:
    """Speech that is silent, clipped or too fast for its text is flagged and counted."""
    samples, text = said
    (tmp_path / "speech.wav").write_bytes(speech(samples))
    espeak = program("espeak-ng", f"cat {tmp_path}/speech.wav")
    subprocess.run([espeak, "-ves", "--stdout", text], check=True, capture_output=True)
    assert flags(root(telemetry, "text_to_speech")) == expected
    assert counted(telemetry) == dict.fromkeys(expected, 1)


@pytest.mark.usefixtures("programs")
def test_synthesized_speech_says_when_it_begins(
    telemetry: CapturedTelemetry, program: MakeProgram, tmp_path: Path
) -> None:
    """Half a second of silence before the first sound is told."""
    (tmp_path / "speech.wav").write_bytes(speech(np.concatenate([BUZZ[: RATE // 2] * 0, BUZZ])))
    espeak = program("espeak-ng", f"cp {tmp_path}/speech.wav out.wav")
    subprocess.run([espeak, "-ves", "-w", "out.wav", "hola mundo"], check=True, cwd=tmp_path)
    attributes = root(telemetry, "text_to_speech")["attributes"]
    assert attributes["speech.tts.leading_silence"] == pytest.approx(0.5)


@pytest.mark.usefixtures("programs")
def test_a_failed_run_is_not_judged(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """What a program left behind when it failed says nothing of its quality."""
    apertium = program("apertium", "echo '*xyzzy *plugh'; exit 1")
    subprocess.run([apertium, "eng-spa"], check=False, capture_output=True, input=b"xyzzy plugh")
    span = root(telemetry, "translate")
    assert (labels(span), flags(span), counted(telemetry)) == ({}, [], {})


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("source", "translation", "expected"),
    [
        ("The dog eats a cake.", "El perro come un pastel.", []),
        ("The dog eats a cake.", "El *dog come un pastel *cake", ["unknown_words"]),
        ("The dog eats a cake.", "El", ["length_ratio"]),
        ("The dog eats a cake.", "El perro " * 9, ["length_ratio"]),
        ("Yes", "Por supuesto", []),
    ],
)
def test_a_translation_is_judged_by_its_marks_and_its_length(
    telemetry: CapturedTelemetry,
    program: MakeProgram,
    source: str,
    translation: str,
    expected: list[str],
) -> None:
    """Unknown words and a translation of another length than its source are flagged and counted."""
    apertium = program("apertium", f"cat >/dev/null; echo '{translation}'")
    subprocess.run([apertium, "eng-spa"], input=source, text=True, check=True, capture_output=True)
    span = root(telemetry, "translate")
    assert flags(span) == expected
    assert counted(telemetry) == dict.fromkeys(expected, 1)


@pytest.mark.usefixtures("programs")
def test_the_verdicts_of_a_run_are_within_its_span(
    telemetry: CapturedTelemetry, program: MakeProgram
) -> None:
    """A span that is written in retrospect has no event after its end."""
    ended: list[Any] = telemetry._ended
    subprocess.run([program("apertium", "cat"), "eng-spa"], input=b"*hola", check=True, capture_output=True)
    (span,) = ended
    assert [event.timestamp for event in span.events] == [span.end_time]
