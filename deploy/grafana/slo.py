"""The objectives of slo.yaml: how good it was, what is left of the budget, how fast it goes."""

from __future__ import annotations

import chart
from board import Board, choice
from promql import Query

#: The objectives that the reader chose. Each covers its service whole, so job and instance have no say.
CHOSEN = '{slo=~"$slo"}'
BUDGET = "on (slo) group_left () slo:error_budget:ratio"
NAME = "{{slo}}"
#: Windows of the alerts, and the burn rate at which each tells.
WINDOWS = (("5m", "1h", 14.4), ("30m", "6h", 6.0), ("2h", "1d", 3.0), ("6h", "3d", 1.0))


def board() -> Board:
    """Return the dashboard."""
    return (
        Board(
            "voxtrace-slo",
            "SLOs",
            "Availability and latency of each stage and of the pipeline, beside what was promised; the error "
            "budget of 30 days.",
            source="target_info",
            choices=(choice("slo", "Objective", "label_values(slo:objective:ratio, slo)"),),
        )
        .row("Budget of 30 days", *_budget())
        .row("Burn rates, each at the bound of its alert", *_burning())
        .row("Indicators", *_indicators())
    )


def _budget() -> tuple[chart.Panel, ...]:
    return (
        chart.bars(
            "Budget left",
            "Part of the error budget of 30 days that is left; below 0 the promise is broken.",
            Query(f"slo:period_error_budget_remaining:ratio{CHOSEN}", NAME),
            unit="percentunit",
        ),
        chart.bars(
            "Objective",
            "Share of events that is promised to be good.",
            Query(f"slo:objective:ratio{CHOSEN}", NAME),
            unit="percentunit",
        ),
        chart.lines(
            "Budget left over time",
            "A steep fall is an incident, a steady one a service that is not as good as its promise.",
            Query(f"slo:period_error_budget_remaining:ratio{CHOSEN}", NAME),
            unit="percentunit",
        ),
    )


def _burning() -> tuple[chart.Panel, ...]:
    return tuple(
        chart.lines(
            f"Burn rate over {long}",
            f"At 1 the budget lasts exactly 30 days. The alert tells at {bound:g} over {long}, as long as "
            f"the last {short} are no better.",
            Query(f"slo:sli_error:ratio_rate{long}{CHOSEN} / {BUDGET}", f"{NAME} over {long}"),
            Query(f"slo:sli_error:ratio_rate{short}{CHOSEN} / {BUDGET}", f"{NAME} over {short}"),
            unit="short",
            span=6,
            bound=bound,
        )
        for short, long, bound in WINDOWS
    )


def _indicators() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "Good events",
            "Share of the events of the last hour that were good: in time, or without an error.",
            Query(f"1 - slo:sli_error:ratio_rate1h{CHOSEN}", NAME),
            unit="percentunit",
        ),
        chart.lines(
            "Events",
            "Events of the last hour, and how many there must be for an alert to say anything.",
            Query(f"slo:events:increase1h{CHOSEN}", NAME),
            Query("slo:events:minimum", "least"),
            unit="short",
        ),
        chart.lines(
            "Durations beside their bounds",
            "p95 of each stage by the bound of its alert: at 1 the alert is near.",
            Query(
                "stage:duration_seconds:p95_10m / on (stage) group_left () bound:duration_seconds:p95",
                "{{stage}}",
            ),
            unit="percentunit",
            bound=1,
        ),
    )
