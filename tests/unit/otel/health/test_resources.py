"""What a report says of the process itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from voxtrace.health import resources
from voxtrace.health.resources import Resources


def test_the_process_is_measured(tmp_path: Path) -> None:
    """Memory, open files and disk are this process's."""
    found = Resources(tmp_path).read()
    assert found["memory_rss_bytes"] > 10**6
    assert found["memory_peak_bytes"] > 10**6
    assert 0 < found["disk_free_bytes"] <= found["disk_total_bytes"]
    with (tmp_path / "open").open("w"):
        assert Resources(tmp_path).read()["open_files"] == found["open_files"] + 1


def test_the_cpu_is_that_since_the_last_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU is the share of one core since the last reading, and holds while that is too short ago."""
    wall, spent = 100.0, 10.0
    monkeypatch.setattr(time, "monotonic", lambda: wall)
    monkeypatch.setattr(time, "process_time", lambda: spent)
    measured = Resources(tmp_path)
    wall, spent = 102.0, 11.0
    assert measured.read()["cpu_percent"] == 50.0
    wall, spent = 102.1, 11.1
    assert measured.read()["cpu_percent"] == 50.0
    wall, spent = 104.0, 11.0
    assert measured.read()["cpu_percent"] == 0.0


def test_what_the_platform_does_not_tell_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc, `resource` and the folder there is the CPU, and no failure."""
    monkeypatch.setattr(resources, "resource", None)
    monkeypatch.setattr(resources, "_STATM", tmp_path / "none")
    monkeypatch.setattr(resources, "_DESCRIPTORS", (tmp_path / "none",))
    assert set(Resources(tmp_path / os.urandom(4).hex()).read()) == {"cpu_percent"}
