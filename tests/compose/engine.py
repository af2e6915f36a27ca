"""A Docker engine to run containers on: the one that answers, or one that we start and stop."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60
NONE = (
    "No Docker engine answers, and none can be started from here ({why}). These tests run docker-compose.yml "
    "for real: start Docker (20.10 or newer), or run them as root on a machine where dockerd can run."
)


class EngineMissingError(Exception):
    """There is no Docker engine, and none can be had."""


class BuildFailedError(Exception):
    """An image cannot be made."""


def docker(*arguments: str, check: bool = True, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run one docker command; a failure is told in its own words."""
    answer = subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        check=False,
        # The classic builder is in every engine from 20.10 to 28; BuildKit's is a plugin that may be missing.
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        text=True,
        timeout=seconds,
    )
    if check and answer.returncode != 0:
        told = (answer.stdout + answer.stderr)[-3000:]
        raise BuildFailedError(f"docker {' '.join(arguments)} failed:\n{told}")
    return answer


def answers() -> bool:
    """Whether an engine is there."""
    return shutil.which("docker") is not None and docker("info", check=False).returncode == 0


@contextmanager
def engine(folder: Path) -> Iterator[None]:
    """
    Have an engine in the block: the machine's own, or a private dockerd whose log is in `folder`.

    Raises:
        EngineMissingError: There is none, and none can be started.
    """
    if answers():
        yield
        return
    program = shutil.which("dockerd")
    if program is None or os.geteuid() != 0:
        raise EngineMissingError(NONE.format(why="no dockerd" if program is None else "not root"))
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen([program], stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise EngineMissingError(NONE.format(why=_last_words(folder / "dockerd.log")))
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return f"dockerd ended: {lines[-1] if lines else 'it said nothing'}"
