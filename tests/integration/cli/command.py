"""The `voxtrace` command as its users run it: a process of its own, on ports and data of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from voxtrace_services.native import Ports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Starts sooner than real engines, where the engines are not the subject.
NULL_ENGINES = {
    "VOXTRACE_ASR_ENGINE": "null",
    "VOXTRACE_TRANSLATION_ENGINE": "null",
    "VOXTRACE_SYNTHESIS_ENGINE": "null",
}
COMMAND_SECONDS = 240
GOING_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Voxtrace:
    """Runs `voxtrace` with one data directory and one set of ports."""

    data_dir: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.line(*arguments),
            capture_output=True,
            check=False,
            encoding="utf-8",
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
        )

    def line(self, *arguments: str) -> list[str]:
        """The command line of a command."""
        return [sys.executable, "-m", "voxtrace_services.cli", *arguments]

    def left_behind(self) -> list[str]:
        """
        Every process that works on our data, other than pytest.

        Erlang's helpers end by themselves a moment after their machine has, so they get that moment.
        """
        deadline = time.monotonic() + GOING_SECONDS
        while (found := self._working()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _working(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                line, ours = process.cmdline(), process.environ()
            except psutil.Error:
                continue
            if process.pid != os.getpid() and ours.get("VOXTRACE_DATA_DIR") == str(self.data_dir):
                found.append(" ".join(line)[:120])
        return found


def command_on(data_dir: Path) -> Voxtrace:
    """The command on a data directory and free ports."""
    environment = {
        **os.environ,
        **Ports.free().environment(),
        "VOXTRACE_DATA_DIR": str(data_dir),
        # Tests upload one recording in any order, and look at its translation in the trace.
        "VOXTRACE_TRANSLATION_CACHE_URL": "none",
    }
    return Voxtrace(data_dir=data_dir, environment=environment)
