"""Tests of the guard, the one place where failures of ours end."""

from __future__ import annotations

import logging

import pytest

from voxtrace import _guard
from voxtrace._guard import guarded


@pytest.fixture(autouse=True)
def _fresh_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "_reported", set())


def test_a_failure_is_swallowed_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The same failure of the same action is logged the first time alone."""
    with caplog.at_level(logging.ERROR, "voxtrace"):
        for _ in range(3):
            with guarded("count to three"):
                raise ValueError("a transcript")
    assert len(caplog.records) == 1
    assert "count to three (ValueError at" in caplog.text


def test_the_words_of_the_failure_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What the exception says may be content, so it is not logged."""
    with caplog.at_level(logging.ERROR, "voxtrace"), guarded("hold its tongue"):
        raise ValueError("a transcript")
    assert "a transcript" not in caplog.text


def test_an_interrupt_passes() -> None:
    """KeyboardInterrupt is not a failure of ours and is not swallowed."""
    with pytest.raises(KeyboardInterrupt), guarded("be interrupted"):
        raise KeyboardInterrupt


def test_success_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A guard around code that works is silent."""
    with guarded("work"):
        pass
    assert caplog.records == []
