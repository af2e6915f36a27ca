"""`voxtrace load` as its users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace_services.native import Stack

_SECONDS = 180


def states(stack: Stack) -> Counter[str]:
    """Count the uploads that the gateway knows, by their state."""
    answer = httpx.get(f"{stack.gateway_url}/v1/uploads", params={"limit": 100}, trust_env=False)
    return Counter(upload["state"] for upload in answer.json()["uploads"])


@dataclass(frozen=True, kw_only=True)
class Load:
    """Runs the command against one gateway, with its traces in one console."""

    gateway: str
    console: str
    folder: Path

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run the command to its end; returns its exit code and its report."""
        with self.started(*arguments) as process:
            output, said = process.communicate(timeout=_SECONDS)
        assert output, said
        return process.returncode, json.loads(output)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run the command for the block, and end it if it has not ended by then."""
        where = ["--gateway", self.gateway, "--console", self.console]
        with subprocess.Popen(
            [sys.executable, "-m", "voxtrace_services.cli", "load", *where, "--json", *arguments],
            cwd=self.folder,
            env={**os.environ, "VOXTRACE_DATA_DIR": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()
