"""Progress, step by step: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

from voxtrace_services.cli.duration import readable

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType


class Steps:
    """
    What is being waited for, and how long what is done has taken.

    Finished steps stay on the screen; those that were still going on when the
    block ends leave nothing.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._active: dict[str, float] = {}
        self._done: list[Text] = []
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Start to draw."""
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the spinners away."""
        self.pause()

    def pause(self) -> None:
        """Leave the screen to others; what still goes on is forgotten."""
        self._active.clear()
        if self._live is not None:
            self._live.stop()
            self._live = None
        for line in self._done:
            self._console.print(line)
        self._done.clear()

    def resume(self) -> None:
        """Draw again."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            # A new one each time: one that starts again erases as many lines as it drew before.
            self._live = Live(
                get_renderable=self._picture, console=self._console, transient=True, refresh_per_second=8
            )
            self._live.start(refresh=True)

    def tell(self, line: str) -> None:
        """Follow a stack's own words: `starting X`, `X is ready`, `stopping X`."""
        if line.startswith("starting "):
            self.begin(line.removeprefix("starting "))
        elif line.endswith(" is ready"):
            self.finish(line.removesuffix(" is ready"))
        elif line.startswith("stopping "):
            # One after the other, and nobody waits for a particular one.
            self._active.clear()
            self.begin(line)

    def begin(self, name: str) -> None:
        """Say that a step goes on; again is no news."""
        self._active.setdefault(name, time.monotonic())

    def finish(self, name: str, note: str = "") -> None:
        """Say that a step is done, and how long it took if its begin was told."""
        self._end(name, "✓", "green", note)

    def fail(self, name: str, note: str = "") -> None:
        """Say that a step has failed."""
        self._end(name, "✗", "red", note)

    def _end(self, name: str, mark: str, style: str, note: str) -> None:
        begun = self._active.pop(name, None)
        took = "" if begun is None else readable(time.monotonic() - begun)
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"  {mark} ", style=style).append(name.ljust(14)).append(took.rjust(8), style="dim")
        if note:
            line.append(f"  {note}", style="dim")
        line.rstrip()
        if self._live is not None:
            # Not printed above the spinners: rich may redraw those in between, and overwrite it.
            self._done.append(line)
        else:
            self._console.print(line)

    def _picture(self) -> RenderableType:
        now = time.monotonic()
        return Group(
            *self._done, *(_spinner(name, now - begun) for name, begun in list(self._active.items()))
        )


def _spinner(name: str, seconds: float) -> RenderableType:
    text = Text.assemble(name.ljust(14), (readable(seconds).rjust(8), "dim"))
    # Told when it is, a new spinner each time turns as one would.
    spinner = Spinner("dots", text=text, style="cyan")
    spinner.start_time = 0.0
    return Padding(spinner, (0, 0, 0, 2))
