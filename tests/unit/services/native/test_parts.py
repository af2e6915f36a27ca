"""Every real part says what it is for and how to get it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from voxtrace_services.native import PARTS, MissingPartError
from voxtrace_services.native.install import install, require

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="bare")
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with no programs at all, where nothing can be installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("bare")
def test_what_is_missing_is_named_with_its_command() -> None:
    """A missing part is an error that names it, its purpose and the exact command."""
    with pytest.raises(MissingPartError) as caught:
        require("full")

    assert (
        "Prometheus (keeps metrics and exemplars): apt-get install --no-install-recommends prometheus"
        in str(caught.value)
    )
    assert "Jaeger (keeps and searches traces): python -m voxtrace_services.native build" in str(caught.value)


@pytest.mark.usefixtures("bare")
def test_where_nothing_can_be_installed_the_command_is_named() -> None:
    """Without apt the installer does not try; it says what to run."""
    with pytest.raises(MissingPartError, match="apt-get install --no-install-recommends espeak-ng"):
        install("demo", print)


def _program(folder: Path, name: str, says: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)


@pytest.mark.usefixtures("bare")
def test_an_old_go_counts_as_missing(tmp_path: Path) -> None:
    """A Go that cannot build our programs is missing, and the newer one is what to install."""
    (go,) = [part for part in PARTS if part.name == "Go"]
    _program(tmp_path, "go", "go version go1.19.8 linux/amd64")
    assert go.find() is None
    assert go.install.startswith("install Go 1.25 or newer")

    _program(tmp_path, "go", "go version go1.25.0 linux/amd64")
    assert (go.find(), go.version()) == (tmp_path / "go", "1.25.0")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("number", ["v1.76.0", "v2.13.0"])
def test_jaeger_has_one_number(tmp_path: Path, number: str) -> None:
    """Jaeger is called by the product's version, also where it was built from its Go module."""
    (jaeger,) = [part for part in PARTS if part.name == "Jaeger"]
    _program(tmp_path, "jaeger", f'{{"gitCommit":"","gitVersion":"{number}","buildDate":""}}')

    assert jaeger.version() == "2.13.0"


def test_the_demo_needs_no_more_than_it_says() -> None:
    """The demo runs on four programs and a language pair from apt, and weights from pip: nothing is built."""
    demo = {part.name: part.apt for part in PARTS if "demo" in part.needed_for}
    assert demo == {
        "RabbitMQ": ("rabbitmq-server",),
        "FFmpeg": ("ffmpeg",),
        "eSpeak NG": ("espeak-ng",),
        "Apertium": ("apertium",),
        "Apertium eng-spa": ("apertium-eng-spa",),
        "Whisper tiny.en weights": (),
    }


def test_unit_tests_need_little() -> None:
    """Unit tests run before anything is built: on FFmpeg alone, which is installed by apt."""
    assert {part.name: part.apt for part in PARTS if "unit" in part.needed_for} == {"FFmpeg": ("ffmpeg",)}


def test_the_command_line_fails_with_one_message(tmp_path: Path) -> None:
    """`python -m voxtrace_services.native require` ends with status 1 and no traceback."""
    answer = subprocess.run(
        [sys.executable, "-m", "voxtrace_services.native", "require", "full"],
        capture_output=True,
        check=False,
        env={**os.environ, "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        text=True,
    )

    assert answer.returncode == 1
    assert "Needed for full" in answer.stderr
    assert "Traceback" not in answer.stderr
