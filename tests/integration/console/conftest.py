"""A console as a process of its own, on a free port."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

SECONDS = 60.0


@dataclass
class ConsoleProcess:
    """A console that can be stopped, killed and started again on the same database."""

    database: Path
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def start(self) -> None:
        """Start the process and wait until it listens."""
        self._process = self.run()
        self.url = self._address()

    def run(self) -> subprocess.Popen[str]:
        """Start the process and wait for nothing; whoever calls ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "voxtrace_services.console"],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("VOXTRACE_")},
                "VOXTRACE_CONSOLE_PORT": "0",
                "VOXTRACE_CONSOLE_DATABASE": str(self.database),
                **self.environment,
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit status."""
        self._process.send_signal(number)
        self._process.communicate(timeout=SECONDS)
        return self._process.returncode

    def close(self) -> None:
        """End the process if it runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def get(self, path: str) -> Any:
        """Return the JSON of a path."""
        return httpx.get(self.url + path, timeout=SECONDS).raise_for_status().json()

    def spans(self) -> int:
        """Return how many spans the console holds."""
        return sum(service["spans"] for service in self.get("/api/signals")["services"])

    def _address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "address" in (event := json.loads(line)):
                return str(event["address"])
        pytest.fail("the console ended before it listened")


def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until `condition` holds, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture(name="start_console")
def _start_console(tmp_path: Path) -> Iterator[Callable[..., ConsoleProcess]]:
    started: list[ConsoleProcess] = []

    def start(**environment: str) -> ConsoleProcess:
        console = ConsoleProcess(tmp_path / "console.duckdb", environment)
        console.start()
        started.append(console)
        return console

    yield start
    for console in started:
        console.close()


@pytest.fixture(name="console")
def _console(start_console: Callable[..., ConsoleProcess]) -> ConsoleProcess:
    return start_console()
