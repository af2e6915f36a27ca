"""The table of upstream's gaps is true of the release that is installed, and leaves no scenario out."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.instrumentation.pika import PikaInstrumentor

from contract.messaging.adapters.registry import ADAPTERS
from contract.messaging.bench import Bench
from contract.messaging.gaps.gap import Gap, scenario
from contract.messaging.gaps.table import GAPS, HELD, OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 1.0
"""Seconds to wait for what, by the table, never comes."""


@pytest.fixture
def upstream(
    adapter: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[Bench]:
    """Pika traced by upstream, used as the row says."""
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    bench = Bench(
        request.getfixturevalue("rabbitmq").url,
        ADAPTERS[adapter],
        PikaInstrumentor(),
        patience=PATIENCE,
    )
    bench.instrument()
    yield bench
    bench.clear_away()
    bench.instrumentor.uninstrument()


@pytest.mark.parametrize(
    ("gap", "adapter"),
    [pytest.param(gap, gap.adapter, id=gap.gap) for gap in GAPS if gap.adapter in ADAPTERS],
)
def test_upstream_still_has_the_gap(gap: Gap, upstream: Bench) -> None:
    """The scenario fails, and for the reason in the table."""
    # Upstream leaves contexts attached; what it leaves goes with this copy.
    apart = contextvars.copy_context()
    with pytest.raises(gap.error, match=gap.reason):
        apart.run(gap.scenario, upstream)


@pytest.mark.parametrize(
    ("held", "adapter"),
    [pytest.param(held, adapter, id=f"{held.__name__}-{adapter}") for held, adapter in HELD],
)
def test_upstream_does_what_the_table_grants_it(held: Callable[[Bench], None], upstream: Bench) -> None:
    """What is said to be held by upstream too passes there."""
    contextvars.copy_context().run(held, upstream)


def test_every_scenario_stands_in_the_table() -> None:
    """A scenario of this suite is a gap, held by upstream too, or ours alone; and what is ours is no gap."""
    modules = [
        import_module(f"contract.messaging.{path.stem}") for path in Path(__file__).parent.glob("test_*.py")
    ]
    suite = {
        name(found)
        for module in modules
        for found in vars(module).values()
        if getattr(found, "__name__", "").startswith("test_") and found.__module__ == module.__name__
    }
    placed = {name(scenario(gap.scenario)) for gap in GAPS} | {name(held) for held, _ in HELD}
    ours = {name(found) for found in OURS}
    about_the_table = {each for each in suite if each.startswith("test_gaps.")}
    assert suite - about_the_table == placed | ours
    assert placed & ours == set()


def name(found: Callable[..., Any]) -> str:
    """A scenario as a reader finds it."""
    return f"{found.__module__.rpartition('.')[2]}.{found.__name__}"
