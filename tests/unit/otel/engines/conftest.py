"""Engines that need no weights and no installed program."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from voxtrace.engines import (
    ArgosInstrumentor,
    FasterWhisperInstrumentor,
    OpenAIWhisperInstrumentor,
    PiperInstrumentor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Makes an executable of a name from the lines of a shell script; returns its path.
    MakeProgram = Callable[[str, str], Path]

    from voxtrace.testing import CapturedTelemetry

FAKES = Path(__file__).parent / "fakes"


@pytest.fixture
def fake_engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the imports of engines find the fakes, and forget the imports afterwards."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_engine(name)}
    monkeypatch.syspath_prepend(FAKES)
    yield
    for name in [name for name in sys.modules if _is_engine(name)]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def fake_whisper(fake_engines: None) -> None:
    """Make `import faster_whisper` find the fake."""


@pytest.fixture
def whisper(fake_whisper: None, telemetry: CapturedTelemetry) -> Iterator[Any]:
    """The fake `faster_whisper.transcribe`, instrumented."""
    instrumentor = FasterWhisperInstrumentor()
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    yield importlib.import_module("faster_whisper.transcribe")
    instrumentor.uninstrument()


@pytest.fixture
def piper(fake_engines: None, telemetry: CapturedTelemetry) -> Iterator[Any]:
    """The fake `piper.voice`, instrumented; three sentences get spans."""
    instrumentor = PiperInstrumentor()
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider, sentence_spans=3
    )
    yield importlib.import_module("piper.voice")
    instrumentor.uninstrument()


@pytest.fixture
def argos(fake_engines: None, telemetry: CapturedTelemetry) -> Iterator[Any]:
    """The fake `argostranslate.translate`, instrumented; three paragraphs get spans."""
    instrumentor = ArgosInstrumentor()
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider, paragraph_spans=3
    )
    yield importlib.import_module("argostranslate.translate")
    instrumentor.uninstrument()


@pytest.fixture
def openai_whisper(fake_whisper: None, telemetry: CapturedTelemetry) -> Iterator[Any]:
    """The fake `whisper`, instrumented."""
    instrumentor = OpenAIWhisperInstrumentor()
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    yield importlib.import_module("whisper")
    instrumentor.uninstrument()


@pytest.fixture
def program(tmp_path: Path) -> MakeProgram:
    """Make programs that have an engine's name and do what the test says."""

    def make(name: str, script: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


def _is_engine(name: str) -> bool:
    return name.partition(".")[0] in {"argostranslate", "faster_whisper", "piper", "whisper"}
