"""What a process may use, as its control groups say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from voxtrace._limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MIB = 1024 * 1024


def told(folder: Path, groups: str, files: Mapping[str, str]) -> Limits:
    """The limits that a list of groups tells, and files under their mount."""
    listing, mount = folder / "cgroup", folder / "mount"
    listing.write_text(groups)
    mount.mkdir()
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text)
    return Limits(listing, mount)


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/\n", {"memory.max": "104857600\n", "cpu.max": "50000 100000\n"}),
        (
            "0::/a/b\n",
            {"a/b/memory.max": "max\n", "a/memory.max": "104857600\n", "a/cpu.max": "50000 100000"},
        ),
        ("0::/of/the/host\n", {"memory.max": "104857600\n", "cpu.max": "50000 100000\n"}),
        (
            "5:cpu,cpuacct:/a\n4:memory:/a\n3:pids:/a\n",
            {
                "memory/a/memory.limit_in_bytes": "104857600\n",
                "cpu/a/cpu.cfs_quota_us": "50000\n",
                "cpu/a/cpu.cfs_period_us": "100000\n",
            },
        ),
    ],
    ids=["container", "the group around it", "path of the host", "version 1"],
)
def test_the_smallest_limit_counts(tmp_path: Path, groups: str, files: dict[str, str]) -> None:
    """The limits are found in the process's own group and in those around it, of both versions."""
    limits = told(tmp_path, groups, files)
    assert (limits.memory(), limits.cpus()) == (100 * MIB, 0.5)


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("", {}),
        ("0::/\n", {}),
        ("0::/\n", {"memory.max": "max\n", "cpu.max": "max 100000\n"}),
        ("0::/\n", {"memory.max": "nonsense\n", "cpu.max": "5 0\n"}),
        (
            "4:memory:/\n5:cpu:/\n",
            {
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
            },
        ),
    ],
    ids=["no groups", "no files", "none set", "nonsense", "version 1, none set"],
)
def test_without_a_limit_it_is_the_machine(tmp_path: Path, groups: str, files: dict[str, str]) -> None:
    """Where no group has a limit, or says it in a way unknown, the process may use what there is."""
    limits = told(tmp_path, groups, files)
    assert limits.memory() == psutil.virtual_memory().total
    assert limits.cpus() == len(psutil.Process().cpu_affinity())


def test_a_machine_without_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are neither groups nor an affinity, as on macOS, all processors count."""
    monkeypatch.delattr(psutil.Process, "cpu_affinity")
    limits = Limits(tmp_path / "none", tmp_path / "none")
    assert limits.cpus() == psutil.cpu_count()
