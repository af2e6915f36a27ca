"""The real Apertium and the real eSpeak NG."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from voxtrace.testing import CapturedTelemetry


@pytest.fixture(autouse=True)
def _installed() -> None:
    for program, package in (("apertium", "apertium-eng-spa"), ("espeak-ng", "espeak-ng")):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not installed: apt-get install {package}")


def only(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the one span."""
    (span,) = telemetry.spans()
    return span


def test_a_translation_counts_words_known_and_unknown(telemetry: CapturedTelemetry) -> None:
    """Apertium marks the one word it cannot know."""
    finished = subprocess.run(
        ["apertium", "eng-spa"],
        input="The dog eats a xyzzyish cake.",
        text=True,
        capture_output=True,
        check=True,
    )
    assert "*xyzzyish" in finished.stdout
    span = only(telemetry)
    attributes = span["attributes"]
    assert span["name"] == "translate eng-spa"
    assert attributes["speech.translation.input.word.count"] == 6
    assert attributes["speech.translation.output.word.count"] == len(finished.stdout.split())
    assert attributes["speech.translation.unknown_word.count"] == 1
    assert attributes["speech.translation.unknown_word.ratio"] == 1 / len(finished.stdout.split())
    for word in [*finished.stdout.strip(".\n").split(), "dog", "cake"]:
        assert word.strip("*") not in f"{span}".split("'")


def test_a_direction_that_is_not_installed_is_an_error(telemetry: CapturedTelemetry) -> None:
    """Apertium's exit status makes the span an error, and the caller sees it as before."""
    finished = subprocess.run(
        ["apertium", "eng-tlh"], input="Hi", text=True, capture_output=True, check=False
    )
    assert "does not exist" in finished.stderr
    span = only(telemetry)
    assert (span["status"], span["attributes"]["process.exit.code"]) == ("ERROR", finished.returncode)


def test_speech_on_stdout_and_in_a_file_has_the_same_duration(
    telemetry: CapturedTelemetry, tmp_path: Path
) -> None:
    """The head that eSpeak writes to a pipe has a placeholder for the length; ours is the real one."""
    command = ["espeak-ng", "-v", "es"]
    subprocess.run([*command, "--stdout", "Era el mejor de los tiempos."], capture_output=True, check=True)
    subprocess.run([*command, "-w", "speech.wav", "Era el mejor de los tiempos."], cwd=tmp_path, check=True)
    with wave.open(io.BytesIO((tmp_path / "speech.wav").read_bytes()), "rb") as audio:
        seconds = audio.getnframes() / audio.getframerate()
    spans = telemetry.spans()
    assert [span["name"] for span in spans] == ["text_to_speech es"] * 2
    assert [span["attributes"]["speech.audio.duration"] for span in spans] == [pytest.approx(seconds)] * 2
    assert [span["attributes"]["speech.tts.word.count"] for span in spans] == [6, 6]
    for span in spans:
        factor = (span["end"] - span["start"]) / seconds
        assert span["attributes"]["speech.real_time_factor"] == pytest.approx(factor, rel=1e-3)
    assert "mejor" not in str(spans)


def test_a_voice_that_does_not_exist_is_an_error(telemetry: CapturedTelemetry) -> None:
    """ESpeak exits with 1 and says nothing."""
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(["espeak-ng", "-v", "qqq", "--stdout", "hola"], capture_output=True, check=True)
    span = only(telemetry)
    assert span["attributes"]["error.type"] == "CalledProcessError"
    assert "speech.audio.duration" not in span["attributes"]


def test_plain_speech_raises_no_flag(telemetry: CapturedTelemetry) -> None:
    """What eSpeak says is heard: neither silent, nor clipped, nor too fast for its text."""
    subprocess.run(
        ["espeak-ng", "-v", "es", "--stdout", "Era el mejor de los tiempos."], capture_output=True, check=True
    )
    span = only(telemetry)
    labels = {
        event["gen_ai.evaluation.name"]: event["gen_ai.evaluation.score.label"] for event in span["events"]
    }
    assert labels == dict.fromkeys(("silent", "clipped", "characters_per_second"), "pass")
    assert 0 <= span["attributes"]["speech.tts.leading_silence"] < 0.5
