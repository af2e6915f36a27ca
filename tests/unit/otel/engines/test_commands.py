"""Engines that are programs: each run is one span, and `subprocess` is what it was."""

from __future__ import annotations

import inspect
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context

from voxtrace.engines import ApertiumInstrumentor, EspeakNgInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from voxtrace.testing import CapturedTelemetry

    MakeProgram = Callable[[str, str], Path]

PATCHED = ("__init__", "communicate", "wait")
ORIGINALS = {name: vars(subprocess.Popen)[name] for name in PATCHED}
#: What the fake Apertium says, whatever it reads.
TRANSLATE = "cat >/dev/null; echo 'El *xyzzy corre.'"
TRANSLATED = {
    "gen_ai.operation.name": "translate",
    "gen_ai.output.type": "text",
    "gen_ai.provider.name": "apertium",
    "gen_ai.request.model": "eng-spa",
    "process.exit.code": 0,
    "speech.translation.input.character.count": 16,
    "speech.translation.input.word.count": 3,
    "speech.translation.output.character.count": 16,
    "speech.translation.output.word.count": 3,
    "speech.translation.source_language": "eng",
    "speech.translation.target_language": "spa",
    "speech.translation.unknown_word.count": 1,
    "speech.translation.unknown_word.ratio": pytest.approx(1 / 3),
}


@pytest.fixture(autouse=True)
def _instrumented(telemetry: CapturedTelemetry) -> Iterator[None]:
    instrumentors = (ApertiumInstrumentor(), EspeakNgInstrumentor())
    for instrumentor in instrumentors:
        instrumentor.instrument(
            tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
        )
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


def only(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the one span, without its times."""
    (span,) = telemetry.spans()
    span["attributes"].pop("speech.engine.duration", None)
    return {key: value for key, value in span.items() if key not in {"start", "end"}}


def by_run(apertium: Path) -> str:
    """Translate by `subprocess.run`."""
    command = [apertium, "eng-spa"]
    return subprocess.run(
        command, input="The xyzzy runs.\n ", text=True, capture_output=True, check=True
    ).stdout


def by_check_output(apertium: Path) -> str:
    """Translate by `subprocess.check_output`, in bytes."""
    return subprocess.check_output((str(apertium), "eng-spa"), input="The xyzzy ruñs.".encode()).decode()


def by_popen(apertium: Path) -> str:
    """Translate by `Popen`, with every argument by its name."""
    with subprocess.Popen(
        args=[str(apertium), "-f", "txt", "eng-spa"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        return process.communicate(input="The xyzzy runs.")[0]


@pytest.mark.parametrize("translate", [by_run, by_check_output, by_popen])
def test_a_translation_is_one_span_however_it_is_run(
    telemetry: CapturedTelemetry, program: MakeProgram, translate: Callable[[Path], str]
) -> None:
    """The span counts what went in and out, and is otherwise the same for every way to run a program."""
    assert translate(program("apertium", TRANSLATE)) == "El *xyzzy corre.\n"
    count = "speech.translation.input.character.count"
    assert only(telemetry) == {
        "name": "translate eng-spa",
        "trace": 1,
        "span": 1,
        "attributes": {**TRANSLATED, count: 15, "speech.quality.flags": ["unknown_words"]},
        "events": [
            {
                "name": "gen_ai.evaluation.result",
                "gen_ai.evaluation.explanation": "0.3333 > 0.2",
                "gen_ai.evaluation.name": "unknown_words",
                "gen_ai.evaluation.score.label": "fail",
                "gen_ai.evaluation.score.value": pytest.approx(1 / 3),
            },
            {
                "name": "gen_ai.evaluation.result",
                "gen_ai.evaluation.name": "length_ratio",
                "gen_ai.evaluation.score.label": "pass",
                "gen_ai.evaluation.score.value": pytest.approx(16 / 15),
            },
        ],
    }


def test_a_run_is_measured(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """The duration of the operation is a metric, and that of its span."""
    by_run(program("apertium", TRANSLATE))
    (span,) = telemetry.spans()
    (point,) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert point["attributes"] == {
        "gen_ai.operation.name": "translate",
        "gen_ai.provider.name": "apertium",
        "gen_ai.request.model": "eng-spa",
        "speech.translation.source_language": "eng",
        "speech.translation.target_language": "spa",
    }
    assert span["attributes"]["speech.engine.duration"] == point["sum"]
    assert point["sum"] == pytest.approx(span["end"] - span["start"], abs=1e-5)


def test_the_parent_is_the_span_that_was_current_at_the_start(
    telemetry: CapturedTelemetry, program: MakeProgram
) -> None:
    """A run belongs to the span that started it, also when it is waited for later."""
    with telemetry.tracer("test").start_as_current_span("process"):
        process = subprocess.Popen([program("apertium", TRANSLATE), "eng-spa"], stdin=subprocess.DEVNULL)
    assert process.wait() == 0
    spans = {span["name"]: span for span in telemetry.spans()}
    assert spans["translate eng-spa"]["parent"] == spans["process"]["span"]


def test_without_pipes_nothing_is_counted(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """What went through files is not known, and not guessed."""
    assert subprocess.call([program("apertium", "exit 0"), "eng-spa", "in.txt", "out.txt"]) == 0
    assert only(telemetry)["attributes"] == {
        key: value for key, value in TRANSLATED.items() if not key.endswith((".count", ".ratio"))
    }


def test_without_marks_unknown_words_are_not_counted(
    telemetry: CapturedTelemetry, program: MakeProgram
) -> None:
    """With -u Apertium marks nothing, so that no mark does not mean no unknown word."""
    subprocess.check_output([program("apertium", "echo hola"), "-u", "eng-spa"], stdin=subprocess.DEVNULL)
    found = only(telemetry)["attributes"]
    assert found["speech.translation.output.word.count"] == 1
    assert "speech.translation.unknown_word.count" not in found


def test_only_apertiums_own_marks_are_counted(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """An asterisk inside a word, or two in a row, is the text's own."""
    subprocess.check_output(
        [program("apertium", "echo 'a*b **c** (*xyzzy) *plugh'"), "eng-spa"], stdin=subprocess.DEVNULL
    )
    assert only(telemetry)["attributes"]["speech.translation.unknown_word.count"] == 2


def test_a_bad_exit_is_an_error_and_passes(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """The caller gets subprocess's own exception; the span has the exit code and an error type."""
    apertium = program("apertium", "echo 'Mode does not exist' >&2; exit 3")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        subprocess.run([apertium, "eng-spa"], input=b"secret", check=True, capture_output=True)
    assert (caught.value.returncode, caught.value.stderr) == (3, b"Mode does not exist\n")
    span = only(telemetry)
    assert span["status"] == "ERROR"
    assert span["attributes"]["process.exit.code"] == 3
    assert span["attributes"]["error.type"] == "CalledProcessError"
    (point,) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert point["attributes"]["error.type"] == "CalledProcessError"


def test_a_program_that_is_not_there_is_an_error(telemetry: CapturedTelemetry, tmp_path: Path) -> None:
    """A run that cannot start is a span too: otherwise a broken installation would be invisible."""
    with pytest.raises(FileNotFoundError):
        subprocess.run([tmp_path / "apertium", "eng-spa"], check=False)
    span = only(telemetry)
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "FileNotFoundError")


def test_a_run_that_takes_too_long_is_an_error(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """The time-out that Python raised says more than the signal that followed."""
    apertium = program("apertium", "exec sleep 60")
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([apertium, "eng-spa"], input=b"", timeout=0.05, check=False)
    found = only(telemetry)["attributes"]
    assert (found["error.type"], found["process.exit.code"]) == ("TimeoutExpired", -signal.SIGKILL)


def test_a_killed_run_names_its_signal(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """A negative return code is a signal."""
    with subprocess.Popen([program("apertium", "exec sleep 60"), "eng-spa"]) as process:
        process.terminate()
    assert only(telemetry)["attributes"]["error.type"] == "SIGTERM"


def test_patience_after_a_time_out_is_no_error(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """Asking again after a time-out, as subprocess allows, ends as one good run."""
    apertium = program("apertium", "sleep 0.2; echo hola")
    with subprocess.Popen([apertium, "eng-spa"], stdout=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.01)
        assert process.communicate()[0] == b"hola\n"
    span = only(telemetry)
    assert "status" not in span
    assert span["attributes"]["speech.translation.output.word.count"] == 1


def test_a_process_that_nobody_waits_for_leaves_no_open_span(
    telemetry: CapturedTelemetry, program: MakeProgram
) -> None:
    """The span is written once the outcome is known, and never stays open."""
    process = subprocess.Popen([program("apertium", "cat"), "eng-spa"], stdin=subprocess.PIPE)
    assert (telemetry.spans(), telemetry.open_spans()) == ([], [])
    process.communicate(b"")
    assert only(telemetry)["name"] == "translate eng-spa"


@pytest.mark.parametrize("option", ["-l", "-V"])
def test_a_listing_is_no_translation(telemetry: CapturedTelemetry, program: MakeProgram, option: str) -> None:
    """Asking what is installed is no speech work."""
    subprocess.check_output([program("apertium", "echo eng-spa"), option])
    assert telemetry.spans() == []


def test_what_is_no_direction_names_no_span(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """A stranger's text in place of the direction reaches neither names nor attributes."""
    apertium = program("apertium", "exit 1")
    subprocess.run([apertium, "my private words"], check=False, stdin=subprocess.DEVNULL)
    assert only(telemetry)["name"] == "translate"
    assert "private" not in str(telemetry.spans())


@pytest.mark.parametrize(
    "command",
    [["echo", "apertium"], ["sh", "-c", "true"], "true", ("true",), [b"true"]],
)
def test_other_programs_are_none_of_our_business(telemetry: CapturedTelemetry, command: Any) -> None:
    """A program of another name makes no span."""
    subprocess.run(command, check=True, capture_output=True)
    assert telemetry.spans() == []


def test_a_bad_call_of_popen_fails_as_ever(telemetry: CapturedTelemetry) -> None:
    """What subprocess refuses it refuses in its own words."""
    with pytest.raises(TypeError, match="expected str, bytes or"):
        subprocess.run([1], check=False)  # type: ignore[list-item]  # wrong on purpose
    with pytest.raises(IndexError):
        subprocess.run([], check=False)
    assert telemetry.spans() == []


def test_popen_is_still_the_class_it_was(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """Type checks, subclasses, generics and signatures of Popen work as before."""

    class Own(subprocess.Popen):  # type: ignore[type-arg]  # as people write it
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.waits = 0
            super().__init__(*args, **kwargs)

        def wait(self, timeout: float | None = None) -> int:
            self.waits += 1
            return super().wait(timeout)

    with Own([program("apertium", "echo hola"), "eng-spa"], stdout=subprocess.PIPE) as process:
        assert process.communicate() == (b"hola\n", None)
    assert isinstance(process, subprocess.Popen)
    assert process.waits >= 1
    assert subprocess.Popen[bytes]
    assert next(iter(inspect.signature(subprocess.Popen).parameters)) == "args"
    assert only(telemetry)["attributes"]["speech.translation.output.word.count"] == 1


def test_suppression_is_honoured(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """Under suppression a run makes no span."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    try:
        by_run(program("apertium", TRANSLATE))
    finally:
        context.detach(token)
    assert telemetry.spans() == []


def test_each_program_can_be_switched_off_alone(telemetry: CapturedTelemetry, program: MakeProgram) -> None:
    """Apertium off leaves eSpeak on; with the last one Popen's methods are the originals."""
    ApertiumInstrumentor().uninstrument()
    by_run(program("apertium", TRANSLATE))
    subprocess.check_output([program("espeak-ng", "echo"), "-v", "es", "hola"])
    assert [span["name"] for span in telemetry.spans()] == ["text_to_speech es"]
    EspeakNgInstrumentor().uninstrument()
    assert {name: vars(subprocess.Popen)[name] for name in PATCHED} == ORIGINALS
    assert all(vars(subprocess.Popen)[name] is ORIGINALS[name] for name in PATCHED)
