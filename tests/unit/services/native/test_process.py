"""One child: awaited, explained when it fails, gone when it is stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from voxtrace_services.native import Command, Group, PortTakenError, Process, StartError
from voxtrace_services.native.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _python(source: str) -> tuple[str, ...]:
    return (sys.executable, "-c", source)


_SLEEP = _python("import time; time.sleep(600)")


def _never() -> None:
    raise ConnectionError("nobody there")


def _once_logged(log: Path, word: str) -> Callable[[], None]:
    def ready() -> None:
        assert word in log.read_text()

    return ready


def test_a_process_that_ends_is_explained_by_its_log(tmp_path: Path) -> None:
    """A command that fails while it starts is an error that quotes the end of its log."""
    command = Command(name="broken", argv=_python("raise SystemExit('no such table')"), ready=_never)

    with pytest.raises(StartError, match="no such table"):
        Process(command, log=tmp_path / "log").start()


def test_a_process_that_is_never_ready_is_stopped(tmp_path: Path) -> None:
    """Past its deadline a process is stopped, and the error says what was missing."""
    process = Process(
        Command(name="slow", argv=_SLEEP, ready=_never, start_seconds=0.3), log=tmp_path / "log"
    )

    with pytest.raises(StartError, match="nobody there"):
        process.start()

    assert not process.running


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """After its grace a process gets SIGKILL."""
    log = tmp_path / "log"
    source = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    command = Command(name="stubborn", argv=_python(source), ready=_once_logged(log, "up"), grace_seconds=0.3)
    process = Process(command, log=log)
    process.start()

    process.stop()

    assert not process.running


def test_a_taken_port_names_its_holder(tmp_path: Path) -> None:
    """A port in use is an error with the port, the holder's pid and the variable that moves ours."""
    with socket.create_server((LOOPBACK, 0)) as holder:
        port = holder.getsockname()[1]
        command = Command(name="console", argv=_SLEEP, ready=_never, ports={"console": port})

        with pytest.raises(PortTakenError) as caught:
            Process(command, log=tmp_path / "log").start()

    assert str(port) in str(caught.value)
    assert f"pid {os.getpid()}" in str(caught.value)
    assert "VOXTRACE_CONSOLE_PORT" in str(caught.value)


def test_withheld_variables_do_not_reach_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with a withheld prefix is not inherited, others are, and the command's own win."""
    monkeypatch.setenv("NATIVE_SECRET", "inherited")
    monkeypatch.setenv("NATIVE_OTHER", "inherited")
    log = tmp_path / "log"
    source = (
        "import os, time; e = os.environ.get\n"
        "print(e('NATIVE_SECRET'), e('NATIVE_OTHER'), e('NATIVE_OWN'), 'end', flush=True); time.sleep(600)"
    )
    process = Process(
        Command(
            name="child",
            argv=_python(source),
            ready=_once_logged(log, "end"),
            environment={"NATIVE_OWN": "given"},
            without=("NATIVE_SEC",),
        ),
        log=log,
    )
    process.start()
    process.stop()

    assert log.read_text() == "None inherited given end\n"


def test_a_failed_start_stops_what_had_started(tmp_path: Path) -> None:
    """When one process of a group does not start, none is left running."""
    good = Process(Command(name="good", argv=_SLEEP, ready=lambda: None), log=tmp_path / "good")
    bad = Process(
        Command(name="bad", argv=_python("raise SystemExit(1)"), ready=_never), log=tmp_path / "bad"
    )

    with pytest.raises(StartError), Group(lambda: [[good], [bad]]):
        pass

    assert not good.running
    assert not bad.running


def test_a_group_stops_in_reverse(tmp_path: Path) -> None:
    """The process that started last is the first to be stopped."""
    said: list[str] = []
    made = [
        Process(Command(name=name, argv=_SLEEP, ready=lambda: None), log=tmp_path / name)
        for name in ("first", "second", "third")
    ]
    with Group(lambda: [made[:1], made[1:]], on_progress=said.append):
        said.clear()

    assert said == ["stopping third", "stopping second", "stopping first"]


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGINT to the owner of a group ends its children."""
    script = (
        "import pathlib, sys, time\n"
        "from voxtrace_services.native import Command, Group, Process\n"
        "argv = (sys.executable, '-c', 'import time; time.sleep(600)')\n"
        "made = [Process(Command(name=n, argv=argv, ready=lambda: None), log=pathlib.Path(sys.argv[1]) / n)\n"
        "        for n in 'ab']\n"
        "with Group(lambda: [made]):\n"
        "    print(*(process.pid for process in made), flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as owner:
        assert owner.stdout is not None
        children = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]

        os.kill(owner.pid, signal.SIGINT)

    _, alive = psutil.wait_procs(children, timeout=10)
    assert len(children) == 2
    assert alive == []


def test_free_ports_differ() -> None:
    """As many different ports are found as were asked for."""
    assert len(set(free_ports(50))) == 50
