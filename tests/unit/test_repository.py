"""What must never be committed, and what must stay small."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Spelled apart so that this file does not match itself.
INDEX_HOSTS = re.compile(
    "(py|files.python|registry.npm|proxy.go|sum.go|deb.deb)" + "(pi[.]org|hosted[.]|js[.]|lang[.]org|ian[.])"
)
MACHINE_PATHS = re.compile(r"/(root|home/[a-z]+|work)/")


def tracked(*patterns: str) -> list[Path]:
    """List the tracked files that match, as paths."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def offences(pattern: re.Pattern[str]) -> list[str]:
    """Name each tracked text file in which the pattern occurs."""
    return [
        str(path.relative_to(ROOT))
        for path in tracked()
        if pattern.search(path.read_text(encoding="utf-8", errors="replace"))
    ]


def test_no_tracked_file_names_a_package_index() -> None:
    """Package-index hosts depend on the machine, so none is committed."""
    assert offences(INDEX_HOSTS) == []


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    """Paths of a developer's machine are not committed."""
    assert offences(MACHINE_PATHS) == []


@pytest.mark.parametrize("text", ["https://py" + "pi.org/simple", "https://files.python" + "hosted.org/x"])
def test_the_index_pattern_catches_an_index(text: str) -> None:
    """The guard above can fail."""
    assert INDEX_HOSTS.search(text)


def test_modules_stay_short() -> None:
    """A Python module has at most 400 lines."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_architecture_stays_short() -> None:
    """ARCHITECTURE.md is read in one sitting: under 150 lines."""
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) < 150


def test_unit_tests_find_what_they_need() -> None:
    """`make unit`, the first tests on a fresh machine, installs what they need before it runs them."""
    plan = subprocess.run(["make", "-n", "unit"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert plan.index("native install unit") < plan.index("pytest tests/unit")


def test_requirements_are_hashed() -> None:
    """Every requirement that make installs carries a hash."""
    for path in tracked("requirements/*.txt"):
        text = path.read_text(encoding="utf-8")
        blocks = re.split(r"\n(?=\S)", text.strip())
        assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == [], path.name


def test_no_placeholder_is_left() -> None:
    """What was to be filled in has been."""
    assert offences(re.compile("@@" + "[A-Z]+@@")) == []
