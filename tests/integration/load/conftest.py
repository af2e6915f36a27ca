"""The small stack: real speech recognition, so that what is broken fails; the rest takes no time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.load.command import Load, states
from integration.native.waiting import eventually
from voxtrace_services.native import Ports, Stack

_PRICES = """
version = "test"
currency = "EUR"
[[price]]
operation = "speech_to_text"
request = 0.5
"""


@pytest.fixture(scope="module", name="stack")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose console is the trace back end, and which knows what a transcription costs."""
    folder = tmp_path_factory.mktemp("load")
    prices = folder / "prices.toml"
    prices.write_text(_PRICES)
    environment = {
        "asr": {"VOXTRACE_PRICES": str(prices)},
        "translation": {"VOXTRACE_TRANSLATION_ENGINE": "null"},
        "synthesis": {"VOXTRACE_SYNTHESIS_ENGINE": "null"},
    }
    with Stack(folder, ports=Ports.free(), env=environment) as stack:
        yield stack


@pytest.fixture(name="load")
def _load(stack: Stack, tmp_path: Path) -> Load:
    """The command on the stack, once what others have sent is done."""

    def at_rest() -> None:
        assert states(stack).keys() <= {"completed", "failed"}

    eventually(at_rest)
    return Load(gateway=stack.gateway_url, console=stack.console_url, folder=tmp_path)
