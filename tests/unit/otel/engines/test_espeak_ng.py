"""eSpeak NG: the voice from its command line, the duration from wherever the audio went."""

from __future__ import annotations

import io
import subprocess
import sys
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxtrace.engines import EspeakNgInstrumentor
from voxtrace.engines._arguments import parse
from voxtrace.engines._wav import HEAD_BYTES, wav_samples, wav_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from voxtrace.testing import CapturedTelemetry

    MakeProgram = Callable[[str, str], Path]

RATE = 22050


@pytest.fixture(autouse=True)
def _instrumented(telemetry: CapturedTelemetry) -> Iterator[None]:
    EspeakNgInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    yield
    EspeakNgInstrumentor().uninstrument()


def wav(seconds: float, *, channels: int = 1) -> bytes:
    """Return a loud buzz as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(
            np.resize(np.array([8192, -8192], "<i2"), channels * round(seconds * RATE)).tobytes()
        )
    return file.getvalue()


def piped(audio: bytes) -> bytes:
    """Return the audio with the lengths that eSpeak writes when it cannot know them yet."""
    return audio[:4] + b"\x24\xf0\xff\x7f" + audio[8:40] + b"\x00\xf0\xff\x7f" + audio[44:]


@pytest.fixture
def speak(program: MakeProgram, tmp_path: Path) -> Any:
    """Run a fake eSpeak that has two seconds to say, with the arguments given."""
    (tmp_path / "stdout.wav").write_bytes(piped(wav(2.0)))
    (tmp_path / "file.wav").write_bytes(wav(2.0))
    here = tmp_path.as_posix()
    espeak = program(
        "espeak-ng", f'case "$*" in *--stdout*) cat {here}/stdout.wav;; *) cp {here}/file.wav out.wav;; esac'
    )

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[Any]:
        return subprocess.run([espeak, *arguments], cwd=tmp_path, check=True, **options)

    return run


def only(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the one span, without what depends on the machine's speed."""
    (span,) = telemetry.spans()
    for name in ("speech.real_time_factor", "speech.engine.duration"):
        span["attributes"].pop(name, None)
    return {key: value for key, value in span.items() if key not in {"start", "end"}}


SPOKEN = {
    "name": "text_to_speech es",
    "trace": 1,
    "span": 1,
    "attributes": {
        "gen_ai.operation.name": "text_to_speech",
        "gen_ai.output.type": "speech",
        "gen_ai.provider.name": "espeak_ng",
        "gen_ai.request.model": "es",
        "process.exit.code": 0,
        "speech.audio.clipping_ratio": 0.0,
        "speech.audio.dc_offset": 0.0,
        "speech.audio.duration": 2.0,
        "speech.audio.loudness": pytest.approx(-12.04, abs=0.01),
        "speech.audio.peak_level": pytest.approx(-12.04, abs=0.01),
        "speech.audio.silence_ratio": 0.0,
        "speech.audio.snr": pytest.approx(0.0, abs=0.01),
        "speech.tts.character.count": 10,
        "speech.tts.language": "es",
        "speech.tts.voice": "es",
        "speech.tts.leading_silence": 0.0,
        "speech.tts.word.count": 2,
    },
    "events": [
        {
            "name": "gen_ai.evaluation.result",
            "gen_ai.evaluation.name": name,
            "gen_ai.evaluation.score.label": "pass",
            "gen_ai.evaluation.score.value": score,
        }
        for name, score in (("silent", 0.0), ("clipped", 0.0), ("characters_per_second", 5.0))
    ],
}


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("-v", "es", "--stdout", "hola mundo"), {"capture_output": True}),
        (("-ves", "--stdout", "--stdin"), {"capture_output": True, "input": b"hola mundo\n"}),
        (("-ves", "--stdout", "--stdin", "not this"), {"capture_output": True, "input": b"hola mundo"}),
        (("-v", "es", "-w", "out.wav", "hola mundo"), {}),
        (("-mw", "out.wav", "-s150", "-v", "es+whatever"), {"input": "hola mundo", "text": True}),
    ],
)
def test_speech_is_one_span_wherever_text_and_audio_go(
    telemetry: CapturedTelemetry, speak: Any, arguments: tuple[str, ...], options: dict[str, Any]
) -> None:
    """Text as an argument or piped, audio piped or in a file: the span is the same."""
    speak(*arguments, **options)
    assert only(telemetry) == SPOKEN


def test_the_first_speech_waits_for_no_numpy(program: MakeProgram, tmp_path: Path) -> None:
    """A process without numpy loads it aside: the first speech is not heard, and a later one is."""
    (tmp_path / "out.wav").write_bytes(wav(0.1))
    espeak = program("espeak-ng", f"cat {tmp_path}/out.wav")
    script = f"""
import subprocess, sys, threading
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from voxtrace.engines import EspeakNgInstrumentor
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
assert "numpy" not in sys.modules
class Absent:
    def find_spec(self, name, *_):
        # Loading is held up, as by a slow disk.
        if name == "numpy" and threading.current_thread() is not threading.main_thread():
            held.wait()
held = threading.Event()
sys.meta_path.insert(0, Absent())
EspeakNgInstrumentor().instrument(tracer_provider=provider)
speak = lambda: subprocess.run([{str(espeak)!r}, "--stdout", "hola"], capture_output=True, check=True)
speak()
held.set()
(aside,) = [thread for thread in threading.enumerate() if thread.name == "voxtrace-numpy"]
aside.join()
speak()
print([ "speech.audio.loudness" in span.attributes for span in exporter.get_finished_spans()])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[False, True]"), done.stderr


def test_speech_has_a_real_time_factor(telemetry: CapturedTelemetry, speak: Any) -> None:
    """The factor is the run's duration by that of the audio, on the span and as a metric."""
    speak("-ves", "--stdout", "hola", capture_output=True)
    metrics = telemetry.metrics()
    (span,) = telemetry.spans()
    (audio,) = metrics["speech.audio.duration"]
    (duration,) = metrics["gen_ai.client.operation.duration"]
    (factor,) = metrics["speech.real_time_factor"]
    assert audio["sum"] == 2.0
    assert factor["sum"] == pytest.approx(duration["sum"] / 2.0)
    assert span["attributes"]["speech.real_time_factor"] == factor["sum"]


@pytest.mark.parametrize("arguments", [("--voices",), ("--version",), ("-q", "-x", "hola"), ("--voices=es",)])
def test_a_run_that_says_nothing_is_no_span(
    telemetry: CapturedTelemetry, speak: Any, arguments: tuple[str, ...]
) -> None:
    """Listings and phonemes are no speech."""
    speak(*arguments)
    assert telemetry.spans() == []


def test_what_is_no_voice_names_no_span(telemetry: CapturedTelemetry, speak: Any) -> None:
    """A path or a sentence in place of the voice reaches neither names nor attributes."""
    speak("-v", "/srv/secret/voice", "--stdout", "hola", capture_output=True)
    assert only(telemetry)["name"] == "text_to_speech"
    assert "secret" not in str(telemetry.spans())


def test_a_failed_run_has_no_factor(
    telemetry: CapturedTelemetry, program: MakeProgram, tmp_path: Path
) -> None:
    """Audio that was cut off by a failure says nothing about speed."""
    audio = tmp_path / "partial.wav"
    audio.write_bytes(piped(wav(1.0)))
    subprocess.run(
        [program("espeak-ng", f"cat {audio}; exit 1"), "--stdout", "hola"], check=False, capture_output=True
    )
    assert only(telemetry)["attributes"]["error.type"] == "CalledProcessError"
    # Voices that other tests used count for five minutes.
    assert telemetry.metrics().keys() - {"speech.tts.voices.active"} == {
        "gen_ai.client.operation.duration",
        "speech.usage.characters",
        "speech.usage.compute.time",
    }
    assert "speech.audio.duration" not in only(telemetry)["attributes"]


def test_a_failed_run_is_used_up_all_the_same(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """What a failed attempt took is counted, and told apart from what came to something."""
    subprocess.run([program("espeak-ng", "exit 1"), "-ves", "hola"], check=False)
    (characters,) = telemetry.metrics()["speech.usage.characters"]
    assert characters["value"] == 4
    assert characters["attributes"]["speech.usage.outcome"] == "failed"


def test_audio_that_is_not_wav_has_no_duration(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """Output that we cannot read costs its attributes and nothing else."""
    subprocess.check_output([program("espeak-ng", "echo noise"), "--stdout", "-ves", "hola mundo"])
    assert "speech.audio.duration" not in only(telemetry)["attributes"]


@given(seconds=st.floats(0.01, 20), channels=st.integers(1, 2), is_piped=st.booleans())
def test_wav_seconds_is_the_duration(seconds: float, channels: int, is_piped: bool) -> None:
    """Head and size are enough, whether the lengths in the head are right or a placeholder."""
    audio = wav(seconds, channels=channels)
    audio = piped(audio) if is_piped else audio + b"LIST\x04\0\0\0more"
    assert wav_seconds(audio[:HEAD_BYTES], len(audio)) == pytest.approx(seconds, abs=1 / RATE)


@given(st.binary(max_size=200))
def test_wav_seconds_takes_anything(noise: bytes) -> None:
    """Whatever the bytes are, there is an answer or None."""
    for head in (noise, b"RIFF\0\0\0\0WAVE" + noise):
        assert (wav_seconds(head, len(head)) or 0.0) >= 0.0
        assert wav_samples(head) is None or noise


@given(cut=st.integers(0, 300), is_piped=st.booleans())
def test_wav_samples_are_those_that_are_there(cut: int, is_piped: bool) -> None:
    """A file that was cut, in the midst of a sample too, has the samples before that, and its rate."""
    audio = wav(0.01)
    audio = (piped(audio) if is_piped else audio)[: len(audio) - cut]
    found = wav_samples(audio)
    assert found is not None
    samples, rate = found
    assert rate == RATE
    assert list(samples) == [8192, -8192] * (len(samples) // 2) + [8192] * (len(samples) % 2)
    assert len(samples) == (len(audio) - 44) // 2


def test_wav_samples_of_another_form_are_not_guessed() -> None:
    """Two channels, or no WAV at all, give no samples."""
    assert wav_samples(wav(0.01, channels=2)) is None
    assert wav_samples(b"RIFF") is None


@pytest.mark.parametrize(
    ("argv", "options", "words"),
    [
        (["p"], {}, []),
        (["p", "-ves", "-qx"], {"v": "es", "q": "", "x": ""}, []),
        (["p", "-qv", "es", "hola"], {"q": "", "v": "es"}, ["hola"]),
        (["p", "--split=3", "--path", "/x", "a"], {"split": "3", "path": "/x"}, ["a"]),
        (["p", "--voices", "--", "-v", "-"], {"voices": ""}, ["-v", "-"]),
        (["p", "-v"], {"v": ""}, []),
    ],
)
def test_a_command_line_is_read_as_getopt_reads_it(
    argv: list[str], options: dict[str, str], words: list[str]
) -> None:
    """Letters may be joined, values attached, and options end at two dashes."""
    arguments = parse(argv, valued="v", valued_long={"path", "split"})
    assert (arguments.options, arguments.words) == (options, words)
