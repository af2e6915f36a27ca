"""Finding something to say."""

from __future__ import annotations

import sys
import wave

import pytest

from voxtrace_services.cli import recording
from voxtrace_services.cli.errors import RecordingMissingError


def test_real_speech() -> None:
    """The recording is a wav of some seconds, and its package is not imported for it."""
    before = set(sys.modules)
    path = recording.default_recording()
    with wave.open(str(path)) as audio:
        seconds = audio.getnframes() / audio.getframerate()

    assert 5 < seconds < 20
    assert not any(name.startswith("moonshine") for name in set(sys.modules) - before)


@pytest.mark.parametrize("package", ["no_such_package", "voxtrace_services"])
def test_none_here(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Without the package, or without its file, the message says what to do."""
    monkeypatch.setattr(recording, "_PACKAGE", package)

    with pytest.raises(RecordingMissingError, match=r"voxtrace demo FILE.*pip install"):
        recording.default_recording()
