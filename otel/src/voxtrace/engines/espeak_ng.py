"""eSpeak NG: one `text_to_speech` span per run of the `espeak-ng` program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from voxtrace import semconv
from voxtrace._evaluation import audio_attributes, measured
from voxtrace.engines._arguments import parse
from voxtrace.engines._commands import CommandEngine, CommandInstrumentor, Outcome, Request, Run
from voxtrace.engines._texts import count_words, decoded
from voxtrace.engines._wav import wav_samples, wav_seconds
from voxtrace.quality import of_synthesis

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from voxtrace.engines._arguments import Arguments
    from voxtrace.quality import Thresholds

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
    provider = "espeak_ng"
    operation = semconv.GEN_AI_OPERATION_NAME_TEXT_TO_SPEECH

    def request(self, argv: list[str]) -> Request | None:
        """Read the voice: it is to eSpeak what a model is to others."""
        arguments = _parse(argv)
        if _SILENT & arguments.options.keys():
            return None
        # eSpeak takes any variant ("es+f3") without complaint, so that one is no name for a metric.
        voice = arguments.options.get("v", "").partition("+")[0]
        model = voice if _VOICE.fullmatch(voice) else None
        return Request(model, {semconv.GEN_AI_OUTPUT_TYPE: "speech"})

    def outcome(self, run: Run, thresholds: Thresholds) -> Outcome:
        """Count the text, and measure the audio wherever it went."""
        arguments = _parse(run.argv)
        found: dict[str, AttributeValue] = {}
        text = _text(arguments, run)
        if text is not None:
            found[semconv.SPEECH_TTS_CHARACTER_COUNT] = len(text.strip())
            found[semconv.SPEECH_TTS_WORD_COUNT] = count_words(text)
        audio, size = _audio(arguments, run)
        seconds = wav_seconds(audio, size)
        samples = wav_samples(audio)
        health = measured(*samples) if samples is not None else None
        if health is not None:
            found |= audio_attributes(health)
            found[semconv.SPEECH_TTS_LEADING_SILENCE] = health.leading_silence
        verdicts = of_synthesis(
            thresholds,
            health=health,
            character_count=None if text is None else len(text.strip()),
            audio_duration=seconds,
        )
        return Outcome(found, audio_seconds=seconds, verdicts=verdicts)


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
