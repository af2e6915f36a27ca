"""What an upload must be: one of six containers, judged by content, holding sound of bearable length."""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import IO

from voxtrace.errors import HealthCheckError
from voxtrace_services.gateway import problems
from voxtrace_services.gateway.problems import ProblemError

if sys.platform == "linux":
    import resource

#: Wall and CPU seconds, and address space, that reading one upload may take.
PROBE_SECONDS = 10
PROBE_MEMORY = 1 << 30

#: A codec fills its last packet up with silence: that much more than the limit still counts as within it.
PADDING_SECONDS = 0.2
#: How far beyond that a file is read to know that it goes on.
_MARGIN_SECONDS = 1.0

MAX_CHANNELS = 8
MAX_SAMPLE_RATE = 192_000

#: The demuxer that each accepted container is read with; no other is ever tried.
FORMATS = {"wav": "wav", "mp3": "mp3", "flac": "flac", "ogg": "ogg", "m4a": "mov", "webm": "matroska"}
CODECS = frozenset({"mp3", "flac", "vorbis", "opus", "aac", "alac"})

_OFFERED = "Send wav, mp3, flac, ogg, m4a or webm."
_RECORD_AGAIN = "The file is a header without samples. Record again, and stop the recorder before sending."


@dataclass(frozen=True, kw_only=True)
class Audio:
    """Sound that can be transcribed: its container and its length in seconds."""

    format: str
    duration: float


@dataclass(kw_only=True)
class _Reading:
    """What ffprobe has said so far."""

    codec: str | None = None
    channels: int = 0
    sample_rate: int = 0
    packets: int = 0
    summed: float = 0.0
    begin: float = math.inf
    end: float = -math.inf

    @property
    def duration(self) -> float:
        # A container can lie in either: in the lengths of packets, or in where they stand.
        return max(self.summed, self.end - self.begin, 0.0)

    def take(self, line: str) -> None:
        kind, *pairs = line.strip().split("|")
        values = dict(pair.partition("=")[::2] for pair in pairs)
        if kind == "packet":
            length, start = _seconds(values.get("duration_time")), _seconds(values.get("pts_time"))
            self.packets += 1
            self.summed += length or 0.0
            if start is not None:
                self.begin = min(self.begin, start)
                self.end = max(self.end, start + (length or 0.0))
        elif kind == "stream":
            self.codec = values.get("codec_name")
            self.channels = int(values.get("channels", 0))
            self.sample_rate = int(values.get("sample_rate", 0))


def check() -> None:
    """Raise unless uploads can be examined here (for health checks)."""
    if shutil.which("ffprobe") is None:
        raise HealthCheckError("ffprobe is not on PATH: apt-get install ffmpeg")


def sniff(head: bytes) -> str | None:
    """Name the accepted container that begins with `head`, judged by its first twelve bytes."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] in {b"fLaC", b"OggS"}:
        return "flac" if head[:4] == b"fLaC" else "ogg"
    if head[4:8] == b"ftyp":
        return "m4a"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    # An MPEG audio frame begins with eleven set bits; a tag may come before it.
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):  # noqa: PLR2004  see above
        return "mp3"
    return None


def examine(file: IO[bytes], *, max_seconds: float) -> Audio:
    """
    Tell what `file` holds, or raise the ProblemError that says why it cannot be taken.

    The length is measured packet by packet, not read from the header, and
    reading ends at `max_seconds`, so that a bomb costs no more than honest audio.

    Args:
        file: A real file (with a descriptor) to be read from its beginning.
        max_seconds: How much audio is accepted.
    """
    file.seek(0)
    head = file.read(12)
    if not head:
        raise ProblemError(problems.EMPTY_FILE, f"The part 'audio' has no bytes. {_OFFERED}")
    container = sniff(head)
    if container is None:
        raise ProblemError(
            problems.UNSUPPORTED_MEDIA, f"The content is in no accepted audio format. {_OFFERED}"
        )
    file.seek(0)
    status, reading = _probe(file, FORMATS[container], max_seconds=max_seconds)
    if reading.duration > max_seconds + PADDING_SECONDS:
        detail = f"At most {max_seconds:g} s of audio are accepted. Cut it into shorter parts."
        raise ProblemError(problems.AUDIO_TOO_LONG, detail)
    if status != 0 and container == "wav" and _lacks_samples(file):
        raise ProblemError(problems.EMPTY_AUDIO, _RECORD_AGAIN)
    if status != 0 or reading.codec is None:
        raise ProblemError(
            problems.UNSUPPORTED_MEDIA, f"The content cannot be read as {container} audio. {_OFFERED}"
        )
    if reading.codec not in CODECS and not reading.codec.startswith("pcm_"):
        raise ProblemError(
            problems.UNSUPPORTED_MEDIA, f"The codec {reading.codec} is not accepted. {_OFFERED}"
        )
    if reading.channels > MAX_CHANNELS or reading.sample_rate > MAX_SAMPLE_RATE:
        detail = (
            f"At most {MAX_CHANNELS} channels at {MAX_SAMPLE_RATE} Hz are accepted. Send mono at 16000 Hz."
        )
        raise ProblemError(problems.UNSUPPORTED_MEDIA, detail)
    if not reading.packets or not reading.duration:
        raise ProblemError(problems.EMPTY_AUDIO, _RECORD_AGAIN)
    return Audio(format=container, duration=round(reading.duration, 6))


def _probe(file: IO[bytes], demuxer: str, *, max_seconds: float) -> tuple[int, _Reading]:
    descriptor = file.fileno()
    command = [
        *("ffprobe", "-v", "quiet", "-threads", "1"),
        # The demuxer is named, so that content cannot choose one; and it may open nothing but files.
        *("-f", demuxer, "-protocol_whitelist", "file"),
        *("-select_streams", "a:0", "-read_intervals", f"%+{max_seconds + _MARGIN_SECONDS:g}"),
        *("-show_entries", "packet=pts_time,duration_time:stream=codec_name,sample_rate,channels"),
        *("-of", "compact"),
        # The upload has no name, here or on disk: the child inherits it open.
        f"file:/dev/fd/{descriptor}",
    ]
    reading = _Reading()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        text=True,
        errors="replace",
    ) as process:
        _confine(process.pid)
        # Ends a child that hangs or never stops talking; the reading below then ends too.
        timer = threading.Timer(PROBE_SECONDS, process.kill)
        timer.start()
        try:
            for line in process.stdout or ():
                reading.take(line)
            status = process.wait()
        finally:
            timer.cancel()
            process.kill()
    return status, reading


def _confine(pid: int) -> None:
    """Bound what a child may use, as far as this system can."""
    if sys.platform == "linux":
        # From outside: a preexec_fn may deadlock in a program with threads.
        for limit, value in (
            (resource.RLIMIT_AS, PROBE_MEMORY),
            (resource.RLIMIT_CPU, math.ceil(PROBE_SECONDS)),
            (resource.RLIMIT_FSIZE, 0),
        ):
            with contextlib.suppress(ProcessLookupError):  # a small file is read before this
                resource.prlimit(pid, limit, (value, value))


def _lacks_samples(file: IO[bytes]) -> bool:
    """Whether a WAV file that cannot be read is a header that was never followed by sound."""
    file.seek(0)
    head = file.read(4096)
    return b"fmt " in head and b"data" not in head and not file.read(1)


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
