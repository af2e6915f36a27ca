"""Apertium: one `translate` span per run of the `apertium` program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from voxtrace.engines._arguments import parse
from voxtrace.engines._commands import CommandEngine, CommandInstrumentor, Run, When
from voxtrace.stages.texts import decoded
from voxtrace.stages.translation import Translation

if TYPE_CHECKING:
    from voxtrace.stages.instruments import Instruments

_VALUED: Final = "dfmo"
_LISTINGS: Final = {"l", "V", "h"}
#: A direction as modes are named; what else stands there is no model to name a span after.
_DIRECTION: Final = re.compile(r"[A-Za-z]{2,8}(_\w{1,12})?-[A-Za-z]{2,8}(_\w{1,12})?")
#: Apertium marks a word it does not know with an asterisk in front.
_UNKNOWN: Final = re.compile(r"(?<![\w*])\*(?=\w)")


class _Apertium:
    program = "apertium"

    def is_work(self, argv: list[str]) -> bool:
        """Tell a translation from a listing or a version."""
        return not _LISTINGS & parse(argv, valued=_VALUED).options.keys()

    def operation(self, instruments: Instruments, run: Run, when: When) -> Translation:
        """Read the direction; the codes of its languages are kept as the mode has them."""
        words = parse(run.argv, valued=_VALUED).words
        direction = words[0] if words and _DIRECTION.fullmatch(words[0]) else None
        source, target = direction.split("-") if direction else (None, None)
        return Translation(
            instruments,
            provider="apertium",
            model=direction,
            source_language=source,
            target_language=target,
            context=when.context,
            start_time=when.start_time,
        )

    def measure(self, operation: Translation, run: Run) -> None:
        """Count what went in and came out, and the words that Apertium did not know."""
        source, translation = decoded(run.input), decoded(run.output)
        if source is not None:
            operation.source(source)
        if translation is not None:
            marked = "u" not in parse(run.argv, valued=_VALUED).options
            unknown = len(_UNKNOWN.findall(translation)) if marked else None
            operation.target(translation, unknown_words=unknown)


class ApertiumInstrumentor(CommandInstrumentor):
    """Instruments `apertium` when it is run by `subprocess`."""

    scope: ClassVar[str] = "voxtrace.engines.apertium"
    engine: ClassVar[CommandEngine] = _Apertium()
