"""The table of upstream's gaps is true of the release that is installed."""

from __future__ import annotations

import contextvars
import logging
from typing import TYPE_CHECKING

import pytest
from opentelemetry.instrumentation.pika import PikaInstrumentor

from contract.messaging.adapters.registry import ADAPTERS
from contract.messaging.bench import Bench
from contract.messaging.gaps import GAPS, Gap

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 1.0
"""Seconds to wait for what, by the table, never comes."""


@pytest.fixture
def gap(request: pytest.FixtureRequest) -> Gap:
    """A row of the table."""
    return request.param


@pytest.fixture
def upstream(gap: Gap, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[Bench]:
    """Pika traced by upstream, used as the row says."""
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    bench = Bench(
        request.getfixturevalue("rabbitmq").url,
        ADAPTERS[gap.adapter],
        PikaInstrumentor(),
        patience=PATIENCE,
    )
    bench.instrument()
    yield bench
    bench.clear_away()
    bench.instrumentor.uninstrument()


@pytest.mark.parametrize(
    "gap", [gap for gap in GAPS if gap.adapter in ADAPTERS], indirect=True, ids=lambda gap: gap.gap
)
def test_upstream_still_has_the_gap(gap: Gap, upstream: Bench) -> None:
    """The scenario fails, and for the reason in the table."""
    # Upstream leaves contexts attached; what it leaves goes with this copy.
    apart = contextvars.copy_context()
    with pytest.raises(gap.error, match=gap.reason):
        apart.run(gap.scenario, upstream)
