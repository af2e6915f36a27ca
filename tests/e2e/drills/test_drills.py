"""Every alert has been seen to fire and to clear, on a live stack, by way of Alertmanager."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from e2e.drills.acts import DRILLS
from e2e.drills.field import Field

ROOT = Path(__file__).resolve().parents[3]
DRILLED = sorted(alert.key for drill in DRILLS for alert in drill.alerts)


def _rules() -> set[str]:
    """The alerts of the rules; where several have one name, with the reason."""
    return {
        "/".join(filter(None, (rule["alert"], rule["labels"].get("reason"))))
        for file in (ROOT / "deploy/prometheus/rules").glob("*.yaml")
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def test_every_alert_has_a_drill() -> None:
    """Each alert of the rules has exactly one drill, and each drill an alert that there is."""
    assert sorted(_rules()) == DRILLED


def test_the_page_has_every_drill() -> None:
    """docs/faults.md names each alert with its drill, and no other."""
    page = (ROOT / "docs/faults.md").read_text(encoding="utf-8").partition("| alert | fault |")[2]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    named = {re.sub(r" \((\w+)\)", r"/\1", name.strip()) for row in rows for name in row.split(",")}
    assert sorted(named) == DRILLED


@pytest.mark.parametrize("alert", DRILLED)
def test_the_alert_fires_and_clears(drilled: Field, alert: str) -> None:
    """Switched on, the fault brings the alert to the receiver; switched off, its end."""
    outcome = drilled.outcomes[alert]
    assert outcome.problem is None, outcome.problem
    assert outcome.fired is not None
    assert outcome.cleared is not None
