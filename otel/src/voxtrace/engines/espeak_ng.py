"""eSpeak NG: one `text_to_speech` span per run of the `espeak-ng` program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from voxtrace._evaluation import ready
from voxtrace.engines._arguments import parse
from voxtrace.engines._commands import CommandEngine, CommandInstrumentor, Run, When
from voxtrace.engines._wav import wav_samples, wav_seconds
from voxtrace.stages.synthesis import Synthesis
from voxtrace.stages.texts import decoded

if TYPE_CHECKING:
    from voxtrace.engines._arguments import Arguments
    from voxtrace.stages.instruments import Instruments

_VALUED: Final = "abdfgklpPsvw"
_VALUED_LONG: Final = frozenset({"path", "phonout", "sep", "split"})
#: Runs that say nothing aloud: a listing, a dictionary, or phonemes alone (-q).
_SILENT: Final = {
    "h", "q", "help", "version", "voices",
    "compile", "compile-debug", "compile-mbrola", "compile-intonations", "compile-phonemes",
}  # fmt: skip
#: Some 24 s as eSpeak speaks, enough to hear whether it does: hearing must not take as long as speaking.
_HEARD_BYTES: Final = 1024 * 1024
#: Voices as eSpeak names them ("es", "en-gb"); what else stands there may be anything.
_VOICE: Final = re.compile(r"[A-Za-z][\w-]{1,31}")


class _EspeakNg:
    program = "espeak-ng"

    def is_work(self, argv: list[str]) -> bool:
        """Tell a synthesis from a listing, a dictionary or phonemes alone."""
        if _SILENT & _parse(argv).options.keys():
            return False
        ready()  # what is heard of the speech is loaded while it is spoken
        return True

    def operation(self, instruments: Instruments, run: Run, when: When) -> Synthesis:
        """Read the voice: it is to eSpeak what a model is to others, and has its language's name."""
        # eSpeak takes any variant ("es+f3") without complaint, so that one is no name for a metric.
        voice = _parse(run.argv).options.get("v", "").partition("+")[0]
        model = voice if _VOICE.fullmatch(voice) else None
        return Synthesis(
            instruments,
            provider="espeak_ng",
            model=model,
            voice=model,
            language=model,
            context=when.context,
            start_time=when.start_time,
        )

    def measure(self, operation: Synthesis, run: Run) -> None:
        """Count the text, and measure the audio wherever it went."""
        arguments = _parse(run.argv)
        text = _text(arguments, run)
        if text is not None:
            operation.text(text)
        audio, size = _audio(arguments, run)
        samples, sample_rate = (ready() and wav_samples(audio)) or (None, None)
        operation.audio(wav_seconds(audio, size), samples=samples, sample_rate=sample_rate)


class EspeakNgInstrumentor(CommandInstrumentor):
    """Instruments `espeak-ng` when it is run by `subprocess`."""

    scope: ClassVar[str] = "voxtrace.engines.espeak_ng"
    engine: ClassVar[CommandEngine] = _EspeakNg()


def _parse(argv: list[str]) -> Arguments:
    return parse(argv, valued=_VALUED, valued_long=_VALUED_LONG)


def _text(arguments: Arguments, run: Run) -> str | None:
    if "f" in arguments.options:
        return None
    if arguments.words and "stdin" not in arguments.options:
        return arguments.words[0]
    return decoded(run.input)


def _audio(arguments: Arguments, run: Run) -> tuple[bytes, int]:
    """Return the beginning of the audio, and the size of all of it; nothing where it is not to be had."""
    if "split" in arguments.options:
        return b"", 0  # several files, of which the first has the name
    if "w" in arguments.options:
        path = Path(run.folder or "", arguments.options["w"])
        if not path.is_file():
            return b"", 0
        with path.open("rb") as file:
            return file.read(_HEARD_BYTES), path.stat().st_size
    if "stdout" in arguments.options and isinstance(run.output, bytes):
        return run.output[:_HEARD_BYTES], len(run.output)
    return b"", 0
