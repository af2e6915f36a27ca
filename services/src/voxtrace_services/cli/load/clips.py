"""Real recordings, cut to several sizes and containers, and some of them damaged."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from voxtrace_services.cli.errors import RecordingMissingError
from voxtrace_services.cli.load.plan import Clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The sizes that clips are cut to, in seconds.
SIZES: Mapping[str, float] = {"short": 3.0, "medium": 10.0, "long": 30.0}
# As many clips of each size, from different places, so that they are not all translated alike.
_CONTAINERS = ("wav", "mp3", "flac", "ogg")
# Read English, part of a speech package's own tests; looked up and never imported, for it loads an engine.
_PACKAGE, _BUNDLED = "moonshine_voice", ("two_cities.wav", "endgame_nagg_nell.wav", "beckett.wav")
_SOUNDS = frozenset({".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".webm"})
_FFMPEG_SECONDS = 120
# Shorter than this, a cut has hardly a word in it.
_LEAST_SECONDS = 0.5


def recordings(given: Sequence[Path]) -> list[Path]:
    """
    Return the recordings to cut from: the given files, those in the given folders, else the bundled ones.

    Raises:
        RecordingMissingError: there are none.
    """
    found = list(_bundled()) if not given else [file for path in given for file in _within(path)]
    if not found:
        where = "Nothing given holds any" if given else "There are none to try"
        raise RecordingMissingError(
            f"{where} recordings (wav, mp3, flac, ogg, m4a, webm). Name files or a folder of yours: "
            "voxtrace load FILE... Or install some: pip install moonshine-voice"
        )
    return found


def cut(sources: Sequence[Path], folder: Path, *, sizes: Iterable[str]) -> list[Clip]:
    """
    Cut clips of each size out of the recordings; one that is shorter is taken as it is.

    Raises:
        RecordingMissingError: FFmpeg is missing or cannot read a recording, or all are too short.
    """
    lengths = {source: _length(source) for source in sources}
    clips = []
    for size in sizes:
        for take, (source, container) in enumerate(_takes(lengths)):
            begin = take / len(_CONTAINERS) * max(0.0, lengths[source] - SIZES[size])
            target = folder / f"{size}-{take}.{container}"
            _ffmpeg(source, target, begin=begin, seconds=SIZES[size])
            clips.append(Clip(path=str(target), size=size, seconds=_length(target)))
    if not clips:
        raise RecordingMissingError(
            f"None of the recordings is {_LEAST_SECONDS:g} s long: name a longer one, of speech."
        )
    return clips


def broken(sources: Sequence[Path], folder: Path) -> list[Clip]:
    """
    Return a clip that passes for seven seconds of audio, and of which no sample decodes.

    Its index of packets is whole; what it points to is noise.
    """
    target = folder / "broken.m4a"
    _ffmpeg(max(sources, key=_length), target, begin=0.0, seconds=7.0)
    seconds = _length(target)
    content = target.read_bytes()
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    target.write_bytes(content[:begin] + b"\x55" * (end - begin) + content[end:])
    return [Clip(path=str(target), size="broken", seconds=seconds)]


def _bundled() -> Iterable[Path]:
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield from (path for name in _BUNDLED if (path := Path(folder) / "assets" / name).is_file())


def _within(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in _SOUNDS and file.is_file())


def _takes(lengths: Mapping[Path, float]) -> Iterable[tuple[Path, str]]:
    """Choose what each take is cut from, longest recordings first, and its container."""
    usable = [source for source, seconds in lengths.items() if seconds >= _LEAST_SECONDS]
    usable.sort(key=lambda source: -lengths[source])
    return zip(cycle(usable), _CONTAINERS, strict=False)


def _length(path: Path) -> float:
    asked = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    text = _run(asked, path)
    try:
        return float(text)
    except ValueError:
        raise _unreadable(path) from None


def _ffmpeg(source: Path, target: Path, *, begin: float, seconds: float) -> None:
    place = ["-ss", f"{begin:.3f}", "-t", f"{seconds:.3f}", "-i", str(source)]
    # Whisper hears 16 kHz and one channel; so does a telephone or a meeting's recorder.
    _run(["ffmpeg", "-v", "error", "-y", *place, "-vn", "-ac", "1", "-ar", "16000", str(target)], source)


def _run(command: list[str], recording: Path) -> str:
    if shutil.which(command[0]) is None:
        raise RecordingMissingError(
            "FFmpeg cuts the recordings, and is not there: apt-get install --no-install-recommends ffmpeg"
        )
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_FFMPEG_SECONDS,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise _unreadable(recording) from error
    return done.stdout


def _unreadable(path: Path) -> RecordingMissingError:
    return RecordingMissingError(f"{path} cannot be read as audio: leave it out, or convert it with ffmpeg.")
