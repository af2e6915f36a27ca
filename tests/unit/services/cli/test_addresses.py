"""Which console is shown the token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voxtrace_services.cli.addresses import console_token
from voxtrace_services.cli.record import ProcessRecord, Record

OWN, OTHER = "http://127.0.0.1:8090", "http://console.example:8090"


@pytest.fixture(name="data_dir", autouse=True)
def _data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of the test's own, and a token in the environment."""
    monkeypatch.setenv("VOXTRACE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VOXTRACE_CONSOLE_TOKEN", "secret")
    return tmp_path


def test_the_console_of_our_stack_is_shown_none(data_dir: Path) -> None:
    """While a stack is up, its console does without the token; any other console gets it."""
    holder = ProcessRecord.of("supervisor", os.getpid())
    Record(holder=holder, state="ready", addresses={"console": OWN}).write(data_dir)

    assert (console_token(OWN), console_token(OTHER)) == (None, "secret")


def test_without_a_stack_every_console_is_somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing up, whoever answers is shown the token; without one there is nothing to show."""
    assert console_token(OWN) == "secret"
    monkeypatch.delenv("VOXTRACE_CONSOLE_TOKEN")
    assert console_token(OWN) is None


def test_away_from_a_checkout_the_token_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no stack of ours can be, the command still speaks to a console."""
    monkeypatch.delenv("VOXTRACE_DATA_DIR")
    monkeypatch.setenv("VOXTRACE_HOME", str(tmp_path))

    assert console_token(OTHER) == "secret"
