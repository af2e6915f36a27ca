"""Every adapter this installation of pika has, by name."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from contract.messaging.adapters.blocking import Blocking, Generator, Get
from contract.messaging.adapters.looping import Asyncio, Select
from contract.messaging.adapters.memory import Memory
from contract.messaging.adapters.thread_safe import ThreadSafe

if TYPE_CHECKING:
    from contract.messaging.adapters.adapter import Adapter

ADAPTERS: dict[str, type[Adapter]] = {
    "blocking": Blocking,
    "generator": Generator,
    "get": Get,
    "select": Select,
    "asyncio": Asyncio,
    "memory": Memory,
}
if find_spec("pika.adapters.thread_safe_connection") is not None:
    ADAPTERS["thread_safe"] = ThreadSafe

PULLING = ("generator", "get")
"""Those that differ from `blocking` in how messages are taken alone."""

CALLED_BY_THE_PROGRAM = ("blocking", "generator", "get", "select", "memory")
"""Those that run callbacks inside a call of the program's, hence in its context."""


def adapters(*names: str, without: tuple[str, ...] = ()) -> Any:
    """Run a scenario on the named adapters, or on all; `without` are those it makes no sense on."""
    chosen = [name for name in names or ADAPTERS if name in ADAPTERS and name not in without]
    return pytest.mark.parametrize("bench", chosen, indirect=True)
