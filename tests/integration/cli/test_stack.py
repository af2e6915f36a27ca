"""Starting, ending and losing the platform."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from integration.cli.command import NULL_ENGINES, Voxtrace
from voxtrace_services.cli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _until(holds: Callable[[], bool], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_missing_part(voxtrace: Voxtrace, tmp_path: Path) -> None:
    """A missing part is named with the command that installs it, and nothing is started."""
    answer = voxtrace("demo", PATH=str(tmp_path))

    assert answer.returncode == 2
    assert "apt-get install --no-install-recommends espeak-ng" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""
    assert voxtrace.left_behind() == []


def test_doctor_where_parts_are_missing(voxtrace: Voxtrace, tmp_path: Path) -> None:
    """The doctor lists what is missing, and its exit code says that the demo cannot run."""
    answer = voxtrace("doctor", PATH=str(tmp_path), COLUMNS="120")

    assert answer.returncode == 2
    assert "apt-get install --no-install-recommends espeak-ng" in answer.stdout
    assert answer.stderr == "voxtrace: The demo cannot run here until what is missing above is installed.\n"


def test_taken_port(voxtrace: Voxtrace) -> None:
    """A port that somebody else holds is named, and what had started by then is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        answer = voxtrace("up", VOXTRACE_CONSOLE_PORT=str(port), **NULL_ENGINES)

    assert answer.returncode == 3
    assert f"port {port}" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert voxtrace.left_behind() == []


def test_up_and_down(voxtrace: Voxtrace) -> None:
    """What is up can be looked at, is not started twice, and is gone after down."""
    up = voxtrace("up", **NULL_ENGINES)
    again = voxtrace("up")
    status = voxtrace("status", "--json")
    down = voxtrace("down")

    assert (up.returncode, again.returncode, status.returncode, down.returncode) == (0, 0, 0, 0), up.stderr
    assert "already" in again.stdout
    report = json.loads(status.stdout)
    assert {process["name"]: process["health"] for process in report["processes"]} == dict.fromkeys(
        ["epmd", "rabbitmq", "console", "asr", "translation", "synthesis", "gateway"], "ok"
    )
    assert voxtrace.left_behind() == []
    assert voxtrace("down").stdout == "Nothing was up.\n"
    assert voxtrace("status").returncode == 3


def test_killed_holder(voxtrace: Voxtrace) -> None:
    """When the process that holds the platform is killed, nothing goes on without it, and down tidies up."""
    assert voxtrace("up", **NULL_ENGINES).returncode == 0
    record = Record.read(voxtrace.data_dir)
    assert record is not None
    os.kill(record.holder.pid, signal.SIGKILL)
    _until(lambda: not record.alive)
    voxtrace("down")

    assert voxtrace.left_behind() == []
    assert Record.read(voxtrace.data_dir) is None


@pytest.mark.parametrize("moment", ["✓ epmd", "✓ upload"], ids=["starting", "working"])
def test_interrupted_demo(voxtrace: Voxtrace, moment: str) -> None:
    """Ctrl-C ends the demo with 130, whatever it was doing, and leaves no process behind."""
    with subprocess.Popen(
        voxtrace.line("demo"),
        encoding="utf-8",
        env={**voxtrace.environment, "VOXTRACE_NULL_ENGINE_SECONDS": "60", **NULL_ENGINES},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as demo:
        assert demo.stderr is not None
        said = ""
        while moment not in said:
            line = demo.stderr.readline()
            assert line, said
            said += line
        running = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        rest = demo.stderr.read()

    assert demo.returncode == 130
    assert "Traceback" not in rest
    if moment == "✓ upload":
        assert "Interrupted: stopping the platform" in rest
    assert running
    assert voxtrace.left_behind() == []


def test_interrupted_engine(voxtrace: Voxtrace, tmp_path: Path) -> None:
    """Ctrl-C while an engine's program is at work ends that program too, and whatever it has started."""
    shims, working = tmp_path / "shims", tmp_path / "working"
    shims.mkdir()
    apertium = shims / "apertium"
    apertium.write_text(f'#!/bin/sh\n[ "$1" != -l ] || exec echo eng-spa\ntouch {working}\nsleep 60\ntrue\n')
    apertium.chmod(0o755)
    environment = {
        **voxtrace.environment,
        **NULL_ENGINES,
        "VOXTRACE_TRANSLATION_ENGINE": "apertium",
        "VOXTRACE_SHUTDOWN_GRACE_SECONDS": "1",
        "PATH": f"{shims}:{voxtrace.environment['PATH']}",
    }
    with subprocess.Popen(
        voxtrace.line("demo"), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as demo:
        _until(working.exists)
        demo.send_signal(signal.SIGINT)

    assert demo.returncode == 130
    assert voxtrace.left_behind() == []
