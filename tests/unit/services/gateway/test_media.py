"""What the gateway takes as audio."""

from __future__ import annotations

import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

from unit.services.gateway.sounds import encoded, wav, wav_of
from voxtrace.errors import HealthCheckError
from voxtrace_services.gateway import media
from voxtrace_services.gateway.media import Audio
from voxtrace_services.gateway.problems import ProblemError

if TYPE_CHECKING:
    from pathlib import Path

# Each passes for audio by its name alone, and is something that a media library may obey or choke on.
STRANGERS = {
    "text": b"Good morning, this is no sound.\n" * 40,
    "hls": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "ffconcat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "zip": b"PK\x03\x04" + bytes(60),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(60),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "pdf": b"%PDF-1.7\n" + bytes(60),
    "elf": b"\x7fELF" + bytes(60),
    "avi": b"RIFF\x40\x00\x00\x00AVI LIST" + bytes(60),
    "webp": b"RIFF\x40\x00\x00\x00WEBPVP8 " + bytes(60),
    "aiff": b"FORM\x00\x00\x00\x40AIFFCOMM" + bytes(60),
    "amr": b"#!AMR\n" + bytes(60),
    "mkv list": b"\x1a\x45\xdf" + bytes(60),
    "one byte": b"R",
    "zeros": bytes(4096),
}

# These begin like audio: ffprobe is asked, with the one demuxer that the beginning names.
IMPOSTORS = {
    "text after RIFF": b"RIFF\x40\x00\x00\x00WAVE" + b"Good morning, this is no sound.\n" * 40,
    "list after RIFF": b"RIFF\x40\x00\x00\x00WAVE#EXTM3U\nfile:///etc/passwd\n",
    "text after ID3": b"ID3\x03\x00\x00\x00\x00\x00\x00" + b"Good morning, this is no sound.\n" * 40,
    "text after a frame's sync": b"\xff\xfb\x90\x00" + b"Good morning, this is no sound.\n" * 40,
    "flac magic alone": b"fLaC",
    "ogg page of nothing": b"OggS" + bytes(200),
    "mp4 brand alone": b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42",
    "ebml head alone": b"\x1a\x45\xdf\xa3\x84webm" + bytes(40),
    "65535 channels": wav_of(bytes(65535 * 4), channels=65535),
    "nine channels": wav_of(bytes(9 * 2 * 1000), channels=9),
}


def examine(content: bytes, *, max_seconds: float = 60.0) -> Audio:
    """Examine `content` as the gateway does: as an open file without a name."""
    with tempfile.SpooledTemporaryFile(max_size=1024) as file:
        file.write(content)
        return media.examine(file, max_seconds=max_seconds)


def refusal(content: bytes, *, max_seconds: float = 60.0) -> str:
    """The code of the problem that `content` meets."""
    with pytest.raises(ProblemError) as caught:
        examine(content, max_seconds=max_seconds)
    return caught.value.problem.code


@pytest.mark.parametrize("container", sorted(media.FORMATS))
def test_every_accepted_container_is_measured(container: str) -> None:
    """Each format of the allow-list is named and its length told to a tenth of a second."""
    audio = examine(wav(2.0) if container == "wav" else encoded(container, 2.0))
    assert audio.format == container
    assert audio.duration == pytest.approx(2.0, abs=0.12)


def test_a_live_recording_without_a_length_in_its_header_is_measured() -> None:
    """WebM that was streamed says nowhere how long it is; its packets do."""
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", "-i", "pipe:0"],
        input=encoded("webm", 2.0),
        capture_output=True,
        check=True,
    )
    assert probed.stdout.strip() == b"N/A"
    assert examine(encoded("webm", 2.0)).duration == pytest.approx(2.0, abs=0.12)


@pytest.mark.parametrize("name", sorted(STRANGERS))
def test_what_does_not_begin_like_audio_never_reaches_ffprobe(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content of another type is refused by its first bytes, before any program reads it."""

    def no_program(*_arguments: object, **_options: object) -> None:
        pytest.fail("a program was started")

    monkeypatch.setattr(subprocess, "Popen", no_program)
    assert refusal(STRANGERS[name]) == "unsupported_media"


@pytest.mark.parametrize("name", sorted(IMPOSTORS))
def test_what_only_begins_like_audio_is_refused(name: str) -> None:
    """A right beginning does not help content that is not audio, or not audio that anyone records."""
    assert refusal(IMPOSTORS[name]) == "unsupported_media"


def test_no_bytes_are_an_empty_file() -> None:
    """A file of length zero has a problem of its own."""
    assert refusal(b"") == "empty_file"


@pytest.mark.parametrize(
    "content",
    [
        wav_of(b""),
        wav_of(b"", claimed=32_000),
        wav_of(b"\x01"),
        wav()[:36],
        wav_of(b"", claimed=0xFFFFFFFF),
    ],
    ids=["no data", "data promised", "half a sample", "cut before data", "4 GiB promised"],
)
def test_a_header_without_samples_is_empty_audio(content: bytes) -> None:
    """A WAV file that ends before its first sample is told apart from one that is no WAV file."""
    assert refusal(content) == "empty_audio"


def test_a_header_cannot_make_the_audio_longer() -> None:
    """A file that claims 4 GiB and holds one second is one second long."""
    assert examine(wav_of(bytes(32_000), claimed=0xFFFFFFFF)).duration == pytest.approx(1.0)


def test_audio_over_the_limit_is_too_long() -> None:
    """A second more than is accepted is refused."""
    assert refusal(wav(2.0), max_seconds=1.0) == "audio_too_long"


@pytest.mark.parametrize("container", ["wav", "mp3", "ogg", "webm"])
def test_audio_at_the_limit_is_accepted(container: str) -> None:
    """The silence that a codec fills its last packet with does not count against the sender."""
    content = wav(2.0) if container == "wav" else encoded(container, 2.0)
    assert examine(content, max_seconds=2.0).format == container


def test_a_bomb_is_read_no_further_than_the_limit() -> None:
    """Of an hour of silence in 0.7 MB a little over the accepted minute is read, and it is refused."""
    silence = ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "3600"]
    bomb = subprocess.run(
        ["ffmpeg", "-v", "error", *silence, "-f", "flac", "pipe:1"],
        capture_output=True,
        check=True,
    ).stdout
    assert refusal(bomb, max_seconds=60.0) == "audio_too_long"
    with tempfile.TemporaryFile() as file:
        file.write(bomb)
        file.seek(0)
        _, reading = media._probe(file, "flac", max_seconds=60.0)
    assert 60.0 < reading.duration < 65.0


def test_a_reader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading has a time limit, after which the content counts as unreadable."""
    slow = tmp_path / "ffprobe"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(media, "PROBE_SECONDS", 0.3)
    begun = time.monotonic()
    assert refusal(wav()) == "unsupported_media"
    assert time.monotonic() - begun < 10.0


def test_the_reader_is_confined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that reads uploads can neither write a file nor take unbounded memory."""
    limits = tmp_path / "limits"
    limits.touch()
    probe = tmp_path / "ffprobe"
    # The limits are set from outside just after the start: wait for them, then tell.
    probe.write_text(
        '#!/bin/bash\nfor _ in {1..100}; do [ "$(ulimit -f)" = 0 ] && break; read -t 0.05 <> <(:); done\n'
        'echo "stream|codec_name=$(ulimit -f)-$(ulimit -v)"\n'
    )
    probe.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ProblemError, match=f"codec 0-{media.PROBE_MEMORY // 1024} "):
        examine(wav())


def test_a_missing_ffprobe_shows_in_the_health_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ffprobe no upload can be taken, and the check says what to install."""
    media.check()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HealthCheckError, match="apt-get install ffmpeg"):
        media.check()
