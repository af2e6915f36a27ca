"""`python -m voxtrace_services.native`: install, build, list, configure the real parts (called by make)."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from voxtrace_services.native import alertmanager
from voxtrace_services.native.builds import BUILDS
from voxtrace_services.native.errors import NativeError
from voxtrace_services.native.install import install, require
from voxtrace_services.native.parts import PARTS

_NEEDS = ("demo", "full", "unit", "tests")
_SECONDS_BETWEEN_LINES = 5.0


class _Progress:
    """Shows what happens now: one changing line on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._said = float("-inf")
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        line = f"[{now - self._started:4.0f} s] {text}"[:100]
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
        elif now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and give the exit status; what goes wrong is one message, not a traceback."""
    parser = argparse.ArgumentParser(prog="python -m voxtrace_services.native", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the Collector and Jaeger, unless they are on PATH")
    commands.add_parser("parts", help="list the real parts and what is here of them")
    for name, text in (("install", "install what is missing"), ("require", "fail if a part is missing")):
        command = commands.add_parser(name, help=text)
        command.add_argument("need", choices=_NEEDS, nargs="?", default="demo")
    configured = commands.add_parser(
        "alertmanager", help="write alertmanager.yml with the receivers that the environment names"
    )
    configured.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    progress = _Progress()
    try:
        if options.command == "build":
            for build in BUILDS:
                found = build.make(progress)
                progress.end()
                sys.stdout.write(f"{build.program}: {found}\n")
        elif options.command == "install":
            install(options.need, progress)
        elif options.command == "alertmanager":
            sys.stdout.write(f"{alertmanager.write(options.folder, os.environ)}\n")
        elif options.command == "require":
            require(options.need)
        else:
            _list()
    except NativeError as error:
        progress.end()
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _list() -> None:
    for part in PARTS:
        found = part.find()
        state = f"{part.version() or 'found'} at {found}" if found else f"missing: {part.install}"
        sys.stdout.write(f"{part.name} ({', '.join(sorted(part.needed_for))}): {state}\n")


if __name__ == "__main__":
    sys.exit(main())
