"""Which parts are missing, and how that is said."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from voxtrace_services.cli.doctor import Finding, examine, findings_table
from voxtrace_services.native import Part

HERE = Part(
    name="Broker",
    purpose="carries work",
    needed_for=frozenset({"demo", "full"}),
    install="apt-get install broker",
    locate=lambda: Path("/usr/bin/broker"),
    ask_version=lambda _path: "broker 3.10.8 (stable)",
)
ABSENT = Part(
    name="Voice",
    purpose="speaks",
    needed_for=frozenset({"demo"}),
    install="apt-get install voice",
    locate=lambda: None,
    ask_version=lambda _path: "",
)


def test_examine() -> None:
    """A part is found with its version, or missing with neither path nor version."""
    assert examine([HERE, ABSENT]) == (
        Finding(
            name="Broker",
            purpose="carries work",
            needed_for=("demo", "full"),
            path="/usr/bin/broker",
            version="3.10.8",
            install="apt-get install broker",
        ),
        Finding(
            name="Voice",
            purpose="speaks",
            needed_for=("demo",),
            path=None,
            version=None,
            install="apt-get install voice",
        ),
    )


def test_table() -> None:
    """A missing part shows the command that installs it where the others show their version."""
    buffer = io.StringIO()
    Console(file=buffer, width=80).print(findings_table(examine([HERE, ABSENT])))

    assert [line.rstrip() for line in buffer.getvalue().splitlines()] == [
        "    part     for          version, or how to install",
        "────────────────────────────────────────────────────",
        "✓   Broker   demo, full   3.10.8",
        "✗   Voice    demo         apt-get install voice",
    ]
