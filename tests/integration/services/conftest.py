"""Sites to work at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.services.workers import Site


@pytest.fixture(name="site")
def _site(rabbitmq: Any, tmp_path: Path) -> Iterator[Site]:
    """A place of work for one test, without workers yet."""
    site = Site(rabbitmq.url, tmp_path)
    with site.cleanup:
        yield site
