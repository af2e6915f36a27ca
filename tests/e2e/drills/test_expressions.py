"""What shows faults has data once they were there: alerts as they run, and the dashboards' marks of them."""

from __future__ import annotations

import httpx

from e2e.answers import Answers
from e2e.drills.field import Field
from rules import expressions


def test_every_alert_and_every_mark_of_one_has_had_data(drilled: Field) -> None:
    """Each alert's expression had an answer when it fired, and every dashboard marks alerts."""
    with httpx.Client(timeout=60) as web:
        answers = Answers(drilled.prometheus_url, web, met={"alert", "prices"})
        alerts = [one for one in answers.rules() if one.alerts]
        marks = [one for one in expressions.noted() if "alert" in expressions.needs(one.plain)]
        assert alerts
        assert marks
        assert {one.where: said for one in (*alerts, *marks) if (said := answers.missing(one))} == {}
