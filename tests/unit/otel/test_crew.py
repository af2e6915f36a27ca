"""Tests of the crew that gives deadlines to calls that know none."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from voxtrace._crew import Crew

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="never")
def _never() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_all_calls_run() -> None:
    """Each call is run once, and all being done is True."""
    done: list[str] = []
    assert Crew("a", "b").run({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 5)
    assert sorted(done) == ["a", "b"]


def test_a_call_that_hangs_costs_its_deadline_alone(never: threading.Event) -> None:
    """A hanging call ends the wait at the deadline; the others have been run meanwhile."""
    others: list[int] = []
    started = time.monotonic()
    assert not Crew("a", "b").run({"a": never.wait, "b": lambda: others.append(1)}, 0.2)
    assert time.monotonic() - started < 2
    assert others == [1]


def test_a_call_that_says_false_was_not_done() -> None:
    """The SDK's flushes return False when they did not flush."""
    assert not Crew("a").run({"a": lambda: False}, 5)


def test_a_call_that_fails_is_logged_and_was_not_done(caplog: pytest.LogCaptureFixture) -> None:
    """An exception does not reach the caller."""

    def fail() -> None:
        raise OSError

    with caplog.at_level(logging.ERROR, "voxtrace"):
        assert not Crew("a").run({"a": fail}, 5)
    assert "could not be flushed" in caplog.text


def test_a_forked_child_has_a_crew_of_its_own() -> None:
    """Threads do not survive a fork; the child's are new."""
    crew = Crew("a")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if crew.run({"a": lambda: True}, 5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
