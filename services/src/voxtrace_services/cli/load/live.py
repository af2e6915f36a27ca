"""How a run is going: a table that renews itself on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.text import Text

from voxtrace_services.cli.duration import readable
from voxtrace_services.cli.load.ledger import tallies
from voxtrace_services.cli.load.pages import kinds, table
from voxtrace_services.cli.load.quantiles import percentiles

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType

    from voxtrace_services.cli.load.ledger import Ledger

_LINE_SECONDS = 5.0


class Display:
    """
    Shows a ledger while the block runs; the picture goes with the block, the report stays.

    Attributes:
        doing: what goes on, in a few words.
    """

    def __init__(self, console: Console, ledger: Ledger) -> None:
        self.doing = "sending"
        self._console = console
        self._ledger = ledger
        self._begun = time.monotonic()
        self._next_line = self._begun + _LINE_SECONDS
        terminal = console.is_terminal and not console.is_dumb_terminal
        self._live = (
            Live(get_renderable=self._picture, console=console, transient=True, refresh_per_second=4)
            if terminal
            else None
        )

    def __enter__(self) -> Self:
        """Start to draw."""
        if self._live is not None:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the screen to others."""
        if self._live is not None:
            self._live.stop()

    def tick(self) -> None:
        """Say how it goes where there is no picture, when it is time for that."""
        now = time.monotonic()
        if self._live is None and now >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            self._console.print(self._line(), soft_wrap=True)

    def _picture(self) -> RenderableType:
        seconds = time.monotonic() - self._begun
        head = Text.assemble((self.doing, "cyan"), f"  {readable(seconds)}")
        return Group(head, table(kinds(self._ledger, seconds=seconds)))

    def _line(self) -> str:
        whole = tallies(self._ledger)[-1]
        p50, p95, _ = percentiles(whole.request_seconds)
        answers = "" if p50 is None or p95 is None else f", p50 {readable(p50)}, p95 {readable(p95)}"
        return (
            f"{readable(time.monotonic() - self._begun)} {self.doing}: {whole.sent} sent, "
            f"{whole.accepted} accepted, {whole.refused} refused as expected, {whole.completed} completed, "
            f"{whole.failed} failed, {whole.in_flight} in flight, {whole.unexpected} unexpected{answers}"
        )
