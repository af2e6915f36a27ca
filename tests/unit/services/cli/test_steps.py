"""Progress."""

from __future__ import annotations

import io
import re

from rich.console import Console

from voxtrace_services.cli.steps import Steps


def _lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return [re.sub(r" +[\d.]+ m?s", " TIME", line).rstrip() for line in console.file.getvalue().splitlines()]


def test_plain() -> None:
    """Off a terminal there is a line for each step that is done, and none for the others."""
    console = Console(file=io.StringIO(), width=80)
    with Steps(console) as steps:
        steps.begin("upload")
        steps.begin("upload")
        steps.finish("upload", "hello.wav")
        steps.begin("translation")
        steps.fail("translation")
        steps.begin("never")

    assert _lines(console) == ["  ✓ upload TIME  hello.wav", "  ✗ translation TIME"]


def test_stack() -> None:
    """A stack's own words become steps; a stop is no news once it is over."""
    console = Console(file=io.StringIO(), width=80)
    with Steps(console) as steps:
        for line in ("starting epmd", "epmd is ready", "something else", "stopping epmd"):
            steps.tell(line)

    assert _lines(console) == ["  ✓ epmd TIME"]


def test_terminal() -> None:
    """On a terminal what goes on spins, and a result between two waits is not wiped off by the second."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True, _environ={"TERM": "xterm"})
    waiting = Steps(console)
    for name in ("transcription", "translation"):
        waiting.begin(name)
    with waiting as steps:
        steps.finish("transcription")
        steps.finish("translation")
        steps.pause()
        console.print("a result")
        steps.resume()
        steps.begin("stopping")

    assert isinstance(console.file, io.StringIO)
    before, after = console.file.getvalue().split("a result")
    assert "transcription" in before
    assert "\x1b[1A" not in after.split("stopping")[0]
