"""A real recording to try the pipeline on, where the machine has one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from voxtrace_services.cli.errors import RecordingMissingError

# Ten seconds of read English, enough to see every stage; part of a speech package's own tests.
_PACKAGE, _FILE = "moonshine_voice", "assets/beckett.wav"


def default_recording() -> Path:
    """
    Return a recording of English speech that a package here brings along.

    The package is looked up, never imported: it would load a speech engine.

    Raises:
        RecordingMissingError: with what to do, when there is none.
    """
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        recording = Path(folder) / _FILE
        if recording.is_file():
            return recording
    raise RecordingMissingError(
        "There is no recording to try. Name one of yours (English; wav, mp3, flac, ogg): voxtrace demo FILE. "
        "Or install one: pip install moonshine-voice"
    )
