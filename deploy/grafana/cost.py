"""What the work costs, by the price table that VOXTRACE_PRICES names, and what it uses."""

from __future__ import annotations

import chart
from board import Board
from promql import Query, failed, of, rate, share

COST = "speech_usage_cost_total"
COMPUTE = "speech_usage_compute_time_seconds_total"
AUDIO = "speech_usage_audio_seconds_total"
WASTED = 'speech_usage_outcome="failed"'
PRICES = "no prices: set VOXTRACE_PRICES"
HOUR, MONTH = 3600, 30 * 24 * 3600


def board() -> Board:
    """Return the dashboard."""
    return (
        Board(
            "voxtrace-cost",
            "Cost",
            "Cost per hour, upload and model, what failed attempts cost, and the use that it comes from.",
            source="speech_usage_compute_time_seconds_total",
        )
        .row("Cost", *_cost())
        .row("Use", *_use())
    )


def _cost() -> tuple[chart.Panel, ...]:
    money = "{{speech_cost_currency}}"
    spent = f"sum by (speech_cost_currency) (increase({of(COST)}[$__range]))"
    return (
        chart.number(
            "In the chosen time",
            "What the work cost in the time that is shown.",
            Query(spent, money, last=True),
            unit="short",
            span=6,
            nothing=PRICES,
        ),
        chart.number(
            "In 30 days at this rate",
            "What 30 days would cost if all went on as it does now.",
            Query(f"{rate(COST, by='speech_cost_currency')} * {MONTH}", money),
            unit="short",
            span=6,
            nothing=PRICES,
        ),
        chart.number(
            "Per upload",
            "Cost by jobs that ended, over the time that is shown.",
            # The jobs are the gateway's, whichever service is chosen.
            Query(
                f"{spent} / ignoring (speech_cost_currency) group_left () "
                'sum(increase(speech_job_duration_seconds_count{job=~".+", instance=~".+"}[$__range]))',
                money,
                last=True,
            ),
            unit="short",
            span=6,
            nothing=PRICES,
        ),
        chart.number(
            "Wasted",
            "Part of the cost that went into attempts that failed.",
            Query(share(COST, WASTED), "failed"),
            unit="percentunit",
            span=6,
            bound=0.1,
            nothing=PRICES,
        ),
        chart.lines(
            "By operation",
            "Cost per hour.",
            Query(
                f"{rate(COST, by='gen_ai_operation_name, speech_cost_currency')} * {HOUR}",
                f"{{{{gen_ai_operation_name}}}} {money}",
            ),
            unit="short",
            stacked=True,
            nothing=PRICES,
        ),
        chart.lines(
            "By model",
            "Cost per hour.",
            Query(
                f"{rate(COST, by='gen_ai_request_model, speech_cost_currency')} * {HOUR}",
                f"{{{{gen_ai_request_model}}}} {money}",
            ),
            unit="short",
            stacked=True,
            nothing=PRICES,
        ),
        chart.lines(
            "By price table",
            "Cost per hour by the version of the price table: a step at a change of version is the "
            "table, not the load.",
            Query(
                f"{rate(COST, by='speech_price_version, speech_cost_currency')} * {HOUR}",
                f"{{{{speech_price_version}}}} {money}",
            ),
            unit="short",
            stacked=True,
            nothing=PRICES,
        ),
    )


def _use() -> tuple[chart.Panel, ...]:
    does = "{{gen_ai_operation_name}}"
    by = "gen_ai_operation_name"
    return (
        chart.lines(
            "Compute",
            "Seconds that engines work per second.",
            Query(rate(COMPUTE, by=by), does),
            unit="short",
            stacked=True,
            span=6,
        ),
        chart.lines(
            "Audio",
            "Seconds of audio heard and made per second.",
            Query(rate(AUDIO, by=by), does),
            unit="short",
            span=6,
        ),
        chart.lines(
            "Characters",
            "Characters translated and spoken per second.",
            Query(rate("speech_usage_characters_total", by=by), does),
            unit="short",
            span=6,
        ),
        chart.lines(
            "Failed attempts",
            "Seconds that engines worked for nothing, per second.",
            Query(failed(COMPUTE, WASTED, by=by), does),
            unit="short",
            span=6,
        ),
    )
