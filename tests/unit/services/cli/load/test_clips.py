"""Recordings, cut by the real FFmpeg."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from voxtrace_services.cli.errors import RecordingMissingError
from voxtrace_services.cli.load import clips
from voxtrace_services.cli.recording import default_recording


def test_bundled_recordings_are_cut_to_sizes(tmp_path: Path) -> None:
    """Without files of one's own, real speech is cut to each size, in every container."""
    cut = clips.cut(clips.recordings([]), tmp_path, sizes=["short", "medium"])

    assert Counter((clip.size, Path(clip.path).suffix) for clip in cut) == {
        (size, container): 1
        for size in ("short", "medium")
        for container in (".wav", ".mp3", ".flac", ".ogg")
    }
    assert [clip.seconds for clip in cut if clip.size == "short"] == pytest.approx([3.0] * 4, abs=0.2)
    assert [clip.seconds for clip in cut if clip.size == "medium"] == pytest.approx([10.0] * 4, abs=0.2)
    assert len({Path(clip.path).read_bytes() for clip in cut}) == 8


def test_a_short_recording_is_taken_as_it_is(tmp_path: Path) -> None:
    """A recording that is shorter than a size stands for it."""
    (first, *_) = clips.cut([default_recording()], tmp_path, sizes=["long"])

    assert first.seconds == pytest.approx(9.96, abs=0.1)


def test_takes_are_of_different_places(tmp_path: Path) -> None:
    """Of one recording each take has other words, or the translation cache would have them all but once."""
    cut = clips.cut([default_recording()], tmp_path, sizes=["short"])
    heard = {
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", clip.path, "-f", "s16le", "-"], capture_output=True, check=True
        ).stdout
        for clip in cut
        if Path(clip.path).suffix in {".wav", ".flac"}
    }

    assert len(heard) == 2


def test_a_folder_is_searched(tmp_path: Path) -> None:
    """Of a folder the sounds are taken, wherever in it they are."""
    (tmp_path / "below").mkdir()
    for name in ("b.wav", "below/a.MP3", "notes.txt"):
        (tmp_path / name).touch()

    assert [path.name for path in clips.recordings([tmp_path])] == ["b.wav", "a.MP3"]


def test_broken(tmp_path: Path) -> None:
    """What is broken passes for seven seconds of audio, and none of it decodes."""
    (clip,) = clips.broken([default_recording()], tmp_path)
    heard = subprocess.run(
        ["ffmpeg", "-v", "quiet", "-i", clip.path, "-f", "s16le", "-"], capture_output=True, check=False
    )

    assert clip.seconds == pytest.approx(7.0, abs=0.2)
    assert heard.stdout == b""


def test_no_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to send, it is said what to name or install."""
    with pytest.raises(RecordingMissingError, match=r"Nothing given holds any .* voxtrace load FILE"):
        clips.recordings([tmp_path])
    monkeypatch.setattr(clips, "find_spec", lambda _name: None)
    with pytest.raises(RecordingMissingError, match=r"There are none to try .* pip install moonshine-voice"):
        clips.recordings([])


def test_what_is_no_audio_is_named(tmp_path: Path) -> None:
    """A file that cannot be cut is named."""
    text = tmp_path / "notes.wav"
    text.write_text("not a sound")

    with pytest.raises(RecordingMissingError, match=r"notes\.wav cannot be read as audio"):
        clips.cut([text], tmp_path, sizes=["short"])


def test_too_short(tmp_path: Path) -> None:
    """A click is no speech."""
    click = tmp_path / "click.wav"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-t", "0.1", "-i", str(default_recording()), str(click)], check=True
    )

    with pytest.raises(RecordingMissingError, match="name a longer one"):
        clips.cut([click], tmp_path, sizes=["short"])


def test_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FFmpeg the command that installs it is named."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)

    with pytest.raises(RecordingMissingError, match="apt-get install --no-install-recommends ffmpeg"):
        clips.cut([default_recording()], tmp_path, sizes=["short"])
