"""A Redis per test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.translation.server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis without a key."""
    server = RedisServer(tmp_path)
    server.process.start()
    yield server
    server.stop()
