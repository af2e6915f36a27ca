"""Orders and answers, made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from voxtrace_services.cli.load.ledger import Ledger
from voxtrace_services.cli.load.plan import Clip, Plan

CLIPS = (
    Clip(path="a.wav", size="short", seconds=3.0),
    Clip(path="b.mp3", size="short", seconds=3.0),
    Clip(path="c.wav", size="long", seconds=30.0),
)


def plan_of(**changes: Any) -> Plan:
    """A plan of twelve sound uploads, but for what is changed."""
    fields: dict[str, Any] = {
        "gateway": "http://127.0.0.1:9",
        "users": 2,
        "rate": 2.0,
        "seconds": 60.0,
        "uploads": 12,
        "languages": {"es": 1.0},
        "sizes": {"short": 1.0},
        "faults": {},
        "clips": CLIPS,
        "broken": (Clip(path="broken.m4a", size="broken", seconds=7.0),),
    }
    return Plan(**{**fields, **changes})


Send = Callable[..., None]


@pytest.fixture(name="ledger")
def _ledger() -> Ledger:
    """A ledger in which nothing is written."""
    return Ledger()


@pytest.fixture(name="order")
def _order(ledger: Ledger) -> Send:
    """Write an order down: begun at a second, answered after another unless there is no status to tell."""

    def order(
        number: int,
        *,
        at: float = 0.0,
        fault: str = "sound",
        kind: str = "sound es",
        answered: bool = True,
        status: int | None = 202,
        code: str | None = None,
        ids: list[str] | None = None,
    ) -> None:
        clip = {"path": "a.wav", "size": "short", "seconds": 3.0}
        ledger.read({"event": "sent", "number": number, "kind": kind, "fault": fault, "clip": clip, "at": at})
        made = ([f"upload-{number}"] if status == 202 else []) if ids is None else ids
        if answered:
            answer = {
                "status": status,
                "code": code,
                "ids": made,
                "trace_id": f"{number:032x}",
                "seconds": 0.5,
            }
            ledger.read({"event": "answered", "number": number, "at": at + 0.5, **answer})

    return order
