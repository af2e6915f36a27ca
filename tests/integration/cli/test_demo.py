"""The demo as a newcomer runs it: nothing is up, the recording is theirs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from integration.cli.command import Voxtrace
from voxtrace_services.cli.recording import default_recording


@pytest.mark.parametrize("name", ["words.wav", "words.flac", "words.ogg"])
def test_cold_demo(voxtrace: Voxtrace, tmp_path: Path, name: str) -> None:
    """One command starts everything, shows one recording's whole way, and leaves nothing running."""
    recording = tmp_path / name
    source = default_recording().with_name("clone-test.wav")
    subprocess.run(["ffmpeg", "-v", "error", "-t", "3.5", "-i", source, recording], check=True)

    demo = voxtrace("demo", str(recording), COLUMNS="140")

    assert demo.returncode == 0, demo.stderr
    for shown in (
        "gateway",
        "asr",
        "translation",
        "synthesis",
        "wait transcribe",
        "wait translate",
        "wait synthesize",
        "wait events",
        "speech.asr.encode",
    ):
        assert shown in demo.stdout
    assert "without a parent" not in demo.stdout
    assert voxtrace.left_behind() == []
