"""A store, and the faults of one service that looks when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.faults import Board, Injection

#: Never within a test.
_SELDOM = 3600.0


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path.as_uri())


@pytest.fixture(name="board")
def _board(store: ArtifactStore) -> Board:
    return Board(store)


@pytest.fixture(name="faults_of")
def _faults_of(store: ArtifactStore) -> Iterator[Callable[[str], Injection]]:
    """The faults of a service that looks once, and when told."""
    with ExitStack() as cleanup:
        yield lambda service: cleanup.enter_context(Injection(service, store, look_seconds=_SELDOM))
