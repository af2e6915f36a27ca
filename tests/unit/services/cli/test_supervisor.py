"""Ending a stack that does not end."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from voxtrace_services.cli import supervisor
from voxtrace_services.cli.errors import StackError
from voxtrace_services.cli.record import ProcessRecord


def test_a_process_that_does_not_end_is_named_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error leads to the logs of this data directory, wherever VOXTRACE_DATA_DIR put it."""
    monkeypatch.setattr(supervisor, "_STOP_SECONDS", 0)

    with pytest.raises(StackError, match=re.escape(f"Its log is in {tmp_path / 'logs'}; ")):
        supervisor._await_end(ProcessRecord.of("asr", os.getpid()), tmp_path)
