"""Asking processes how they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from voxtrace_services.cli.record import ProcessRecord, Record
from voxtrace_services.cli.status import Standing, survey

Serve = Callable[[Mapping[str, tuple[int, Any]]], str]


def _health(process: ProcessRecord) -> str:
    (standing,) = survey(Record(holder=process, state="ready", processes=(process,)))
    return standing.health


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        ((200, {"status": "ok", "checks": {"broker": {"status": "ok"}}}), "ok"),
        ((200, {"status": "degraded", "checks": {"broker": {"status": "failing"}}}), "degraded: broker"),
        ((503, {"status": "failing", "checks": {"database": {"status": "failing"}}}), "failing: database"),
        ((200, b"Prometheus is Ready."), "ok"),
        ((503, b"not yet"), "HTTP 503"),
    ],
)
def test_what_it_says(serve: Serve, answer: tuple[int, Any], health: str) -> None:
    """A process is as well as it says; what it says is wrong is named."""
    process = ProcessRecord.of("any", os.getpid(), health=serve({"GET /health": answer}) + "/health")

    assert _health(process) == health


def test_port_alone(serve: Serve) -> None:
    """A process without a health address is well when its port answers."""
    port = int(serve({}).rpartition(":")[2])

    assert _health(ProcessRecord.of("broker", os.getpid(), port=port)) == "ok"


def test_no_answer(dead_url: str) -> None:
    """A process that runs and does not answer is told from a dead one."""
    assert _health(ProcessRecord.of("gateway", os.getpid(), health=f"{dead_url}/health")) == "no answer"


def test_dead() -> None:
    """A process that does not run is dead, whoever answers at its port."""
    dead = ProcessRecord(name="asr", pid=os.getpid(), started=1.0, port=8081)

    assert survey(Record(holder=dead, state="ready", processes=(dead,))) == (
        Standing(name="asr", pid=os.getpid(), port=8081, health="dead"),
    )
