"""Child processes of a test: other people's small programs, run with this interpreter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"
#: What a program is put under to be traced without a line of its own.
INSTRUMENT = str(Path(sys.executable).with_name("opentelemetry-instrument"))


class Child:
    """A running program that speaks in lines of JSON; its errors lie in a file."""

    def __init__(self, argv: list[str], environment: dict[str, str], errors: Path) -> None:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "VOXTRACE_"))
        }
        self._errors = errors
        with errors.open("wb") as file:
            self._process = subprocess.Popen(
                argv, env={**clean, **environment}, stdout=subprocess.PIPE, stderr=file, text=True
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def says(self) -> Any:
        """Its next line; None once it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, *, within: float = 60) -> int:
        """Wait for its end; return its exit status (negative: a signal)."""
        return self._process.wait(within)

    def stop(self) -> None:
        """End it whatever it does; a stopped process hears nothing but SIGKILL."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
