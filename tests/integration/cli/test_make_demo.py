"""`make demo` in the checkout, as the README tells a newcomer."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from integration.cli.command import Voxtrace
from voxtrace_services.cli.recording import default_recording
from voxtrace_services.native.layout import root

if TYPE_CHECKING:
    from pathlib import Path

# For a machine that is slow and shared; where it is neither, the second demo takes half a minute.
SECONDS = 400


def _run(voxtrace: Voxtrace, *line: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in the checkout, on ports and data of our own, and not as a part of another make."""
    makes = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
    environment = {name: value for name, value in voxtrace.environment.items() if name not in makes}
    return subprocess.run(
        line,
        capture_output=True,
        check=False,
        cwd=root(),
        encoding="utf-8",
        env={**environment, "COLUMNS": "300"},
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
    )


def _shown(output: str, heading: str) -> str:
    """What stands behind the heading of a line."""
    (line,) = [line for line in output.splitlines() if line.startswith(heading)]
    return line.removeprefix(heading).strip()


@pytest.mark.timeout(2 * SECONDS + 100)
def test_make_demo(voxtrace: Voxtrace, tmp_path: Path) -> None:
    """`make demo` takes a path with a space, and what it prints leads to the speech and back to the trace."""
    recording = tmp_path / "my words.mp3"
    source = default_recording().with_name("clone-test.wav")
    subprocess.run(["ffmpeg", "-v", "error", "-t", "3.5", "-i", source, recording], check=True)

    demo = _run(voxtrace, "make", "demo", f"AUDIO={recording}")

    assert demo.returncode == 0, demo.stderr
    spoken = root() / _shown(demo.stdout, "Spoken")
    assert spoken.resolve() == tmp_path / "demo" / "my words.es.wav"
    assert spoken.read_bytes()[:4] == b"RIFF"
    address = _shown(demo.stdout, "This trace")
    again = demo.stdout.splitlines()[-1].strip()
    trace_id = again.split()[-1]
    assert address.endswith(f"/api/v3/traces/{trace_id}")
    assert voxtrace.left_behind() == []

    # What it says to type to come back to the trace: up, and the trace by its id.
    back = _run(voxtrace, "sh", "-c", again)

    assert back.returncode == 0, back.stderr
    assert f"Trace {trace_id} " in back.stdout
    assert "speech.asr.decode" in back.stdout
    assert httpx.get(address, timeout=30, trust_env=False).status_code == 200
