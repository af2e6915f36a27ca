"""Instruments of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from voxtrace.stages import by_hand
from voxtrace.stages.instruments import Instruments

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry


@pytest.fixture
def instruments(telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch) -> Instruments:
    """The instruments that stages by hand use in this test."""
    made = Instruments.create(
        "voxtrace.stages",
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
    )
    monkeypatch.setattr(by_hand, "_instruments", lambda: made)
    return made
