"""Engines that are programs, and how they end with the service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

from unit.services.gateway.waiting import until
from voxtrace_services.core import engines
from voxtrace_services.core.engines import EngineError, Programs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="pipeline", params=["wait", "exit 0"], ids=["waits", "ends before its child"])
def _pipeline(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A program that says half of what it should while its child hangs; both ids are in `ids`, beside it."""
    program = tmp_path / "pipeline"
    ids = f'echo $$ $! >"{tmp_path}/ids.new"; mv "{tmp_path}/ids.new" "{tmp_path}/ids"'
    program.write_text(f"#!/bin/sh\necho half\nsleep 30 &\n{ids}\n{request.param}\n")
    program.chmod(0o755)
    return program


def gone(ids: Path) -> bool:
    """Whether none of the processes runs any more."""
    states = []
    for pid in ids.read_text().split():
        try:
            states.append(psutil.Process(int(pid)).status())
        except psutil.NoSuchProcess:
            continue
    return set(states) <= {psutil.STATUS_ZOMBIE}


def test_programs_end_with_the_service(pipeline: Path) -> None:
    """A running program ends with all it has started, half its output is no result, and no other starts."""
    programs, ids = Programs(), pipeline.with_name("ids")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(programs.run, [str(pipeline)], text="", install="")
        until(ids.exists)
        programs.end()
        error = running.exception(timeout=5)
    assert isinstance(error, EngineError)
    assert str(error) == f"{pipeline} was ended with the service"
    until(lambda: gone(ids), seconds=5)
    with pytest.raises(EngineError, match="the service ends"):
        programs.run(["true"], text="", install="")


def test_a_hanging_program_ends_with_all_it_has_started(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time that a run may take nothing of it is left."""
    monkeypatch.setattr(engines, "_TIMEOUT_SECONDS", 0.5)
    with pytest.raises(EngineError, match=r"took more than 0\.5 s"):
        Programs().run([str(pipeline)], text="", install="")
    until(lambda: gone(pipeline.with_name("ids")), seconds=5)
