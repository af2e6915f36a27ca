"""What `make setup` provides."""

from __future__ import annotations

import pytest

from voxtrace_services.native import PARTS, Part


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_each_part_is_found_here(part: Part) -> None:
    """Each part is on this machine; the tests need all of them."""
    assert part.find() is not None, part.install
