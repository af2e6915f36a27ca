"""What a running stack leaves on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from voxtrace_services.cli.errors import StackError
from voxtrace_services.cli.record import ProcessRecord, Record, exclusive


def _own() -> ProcessRecord:
    return ProcessRecord.of("holder", os.getpid())


class TestRecord:
    """The file."""

    def test_round_trip(self, tmp_path: Path) -> None:
        """What is written is what is read."""
        process = ProcessRecord.of("gateway", os.getpid(), port=8080, health="http://127.0.0.1:8080/health")
        record = Record(
            holder=_own(),
            state="ready",
            full=True,
            steps=("starting gateway", "gateway is ready"),
            addresses={"gateway": "http://127.0.0.1:8080"},
            processes=(process,),
        )
        record.write(tmp_path)

        assert Record.read(tmp_path) == record

    def test_nothing_there(self, tmp_path: Path) -> None:
        """Without a file there is no record; removing it again is no error."""
        Record.remove(tmp_path)

        assert Record.read(tmp_path) is None

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"holder": 1}'])
    def test_unreadable(self, tmp_path: Path, text: str) -> None:
        """A file of another shape is as good as none."""
        (tmp_path / "up.json").write_text(text)

        assert Record.read(tmp_path) is None


class TestAlive:
    """Telling a process from another with its pid."""

    def test_own(self) -> None:
        """A running process is alive."""
        assert _own().alive

    def test_ended(self) -> None:
        """A process that has ended is not, even before its parent has asked."""
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        record = ProcessRecord.of("child", child.pid)
        alive = record.alive
        child.communicate()

        assert (alive, record.alive) == (True, False)

    def test_reused_pid(self) -> None:
        """A later process with the same pid is not taken for ours, so it is never signalled."""
        assert not replace(_own(), started=_own().started - 60).alive


class TestExclusive:
    """The lock."""

    def test_second_is_refused(self, tmp_path: Path) -> None:
        """A second holder of the same data is told how to find the first; afterwards the way is free."""
        with exclusive(tmp_path), pytest.raises(StackError, match="voxtrace down"), exclusive(tmp_path):
            pass
        with exclusive(tmp_path):
            pass
