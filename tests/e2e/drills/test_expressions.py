"""What shows faults has data once they were there: rules as they run, and what dashboards ask of alerts."""

from __future__ import annotations

import httpx
from e2e.drills.field import Field

from e2e.answers import Answers
from rules import expressions


def test_every_rule_and_every_mark_of_an_alert_has_had_data(drilled: Field) -> None:
    """Each alert's expression had an answer when it fired, each recording has one, dashboards mark alerts."""
    with httpx.Client(timeout=60) as web:
        answers = Answers(drilled.prometheus_url, web, met={"alert", "prices"})
        marks = [one for one in expressions.noted() if "alert" in expressions.needs(one.plain)]
        asked = [*answers.rules(), *marks]
        assert [one for one in asked if one.alerts]
        assert {one.where: said for one in asked if (said := answers.missing(one))} == {}
