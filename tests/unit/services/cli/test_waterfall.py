"""The picture of a trace, line by line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from voxtrace_services.cli.trace import Trace
from voxtrace_services.cli.waterfall import Waterfall

GOLDEN = Path(__file__).with_name("golden")
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def _drawn(trace: Trace, width: int, *, colours: bool = False, encoding: str = "utf-8") -> str:
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=buffer, width=width, force_terminal=colours, color_system="truecolor" if colours else None
    )
    console.print(Waterfall(trace=trace))
    buffer.seek(0)
    return buffer.read()


class TestWaterfall:
    """The picture."""

    @pytest.mark.parametrize("width", [80, 120])
    def test_picture(self, upload_document: dict[str, Any], width: int) -> None:
        """Every name, duration and bar and the time axis are there; the bars give way before the names do."""
        picture = (GOLDEN / f"waterfall-{width}.txt").read_text()

        assert _drawn(Trace.from_otlp(upload_document, TRACE_ID), width) == picture

    def test_without_room_for_bars(self, upload_document: dict[str, Any]) -> None:
        """At 50 columns the bars are gone and names are cut with a mark."""
        lines = _drawn(Trace.from_otlp(upload_document, TRACE_ID), 50).splitlines()

        assert "               └✗ process speech:transl…   107 ms" in lines
        assert all("━" not in line for line in lines)

    @pytest.mark.parametrize("width", range(20, 200, 7))
    def test_never_wider(self, upload_document: dict[str, Any], width: int) -> None:
        """No line is wider than the terminal."""
        lines = _drawn(Trace.from_otlp(upload_document, TRACE_ID), width).splitlines()

        assert max(len(line) for line in lines) <= width

    def test_ascii(self, upload_document: dict[str, Any]) -> None:
        """A terminal that knows ASCII alone gets ASCII alone."""
        drawn = _drawn(Trace.from_otlp(upload_document, TRACE_ID), 100, encoding="ascii")

        assert "x process speech:translate #2" in drawn
        assert drawn.isascii()

    def test_colours(self, upload_document: dict[str, Any]) -> None:
        """A service has its colour, a queue wait is dimmed, an error is red."""
        drawn = _drawn(Trace.from_otlp(upload_document, TRACE_ID), 100, colours=True)

        assert "\x1b[1;36mgateway" in drawn
        assert "\x1b[2mwait transcribe" in drawn
        assert "\x1b[31mprocess speech:translate" in drawn

    def test_orphan(self, upload_document: dict[str, Any]) -> None:
        """A span whose parent is missing is marked, and the mark is explained."""
        spans = upload_document["resourceSpans"][0]["scopeSpans"][0]["spans"]
        del spans[1]
        drawn = _drawn(Trace.from_otlp(upload_document, TRACE_ID), 100)

        assert "? wait transcribe" in drawn
        assert (
            "? 2 spans without a parent: the parent has not arrived yet, or was lost."
            in drawn.splitlines()[-1]
        )

    def test_empty(self) -> None:
        """A trace without spans says so."""
        assert _drawn(Trace(trace_id=TRACE_ID, spans=()), 80) == (
            f"Trace {TRACE_ID}  0.0 ms, 0 spans, 0 services\n"
        )
