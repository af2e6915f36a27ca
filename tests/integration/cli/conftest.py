"""The command with nothing up, and with the platform up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.cli.command import Voxtrace, command_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def voxtrace(tmp_path: Path) -> Iterator[Voxtrace]:
    """The command, with nothing up; whatever a test left up goes down."""
    command = command_on(tmp_path)
    yield command
    command("down")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voxtrace]:
    """The command, with the platform up on real engines."""
    command = command_on(tmp_path_factory.mktemp("platform"))
    started = command("up")
    assert started.returncode == 0, started.stderr
    yield command
    command("down")
