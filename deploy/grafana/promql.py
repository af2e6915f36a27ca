"""Expressions that dashboards are made of; each asks for the job and the instance that the reader chose."""

from __future__ import annotations

from dataclasses import dataclass

#: Counts every span, before anything is sampled. It knows services and not their instances.
SPANS = "traces_span_metrics"
#: Counts what sampling kept of them, where the Collector samples.
SAMPLED = "traces_sampled"

_WINDOW = "[$__rate_interval]"


@dataclass(frozen=True)
class Query:
    """
    A question to Prometheus, and how its answers are called.

    Attributes:
        expr: PromQL.
        legend: the name of each series, labels in double braces.
        exemplars: show single traces as dots.
        last: ask for the last value alone.
    """

    expr: str
    legend: str
    exemplars: bool = False
    last: bool = False


def of(series: str, *matchers: str) -> str:
    """Select the series of a metric, of the chosen jobs and instances."""
    chosen = ['job=~"$job"']
    # Span metrics have one series per service, whatever the number of its instances.
    if not series.startswith((SPANS, SAMPLED)):
        chosen.append('instance=~"$instance"')
    return f"{series}{{{', '.join([*chosen, *matchers])}}}"


def total(series: str, *matchers: str, by: str = "") -> str:
    """Return the sum of a gauge."""
    return f"{_sum(by)}({of(series, *matchers)})"


def rate(counter: str, *matchers: str, by: str = "") -> str:
    """How fast a counter grows, per second."""
    return f"{_sum(by)}(rate({of(counter, *matchers)}{_WINDOW}))"


def failed(counter: str, failure: str, *matchers: str, by: str = "") -> str:
    """How fast the failed part of a counter grows; 0 while there is none, where there is anything."""
    return f"{rate(counter, failure, *matchers, by=by)} or {rate(counter, *matchers, by=by)} * 0"


def share(counter: str, part: str, *matchers: str, by: str = "") -> str:
    """Which part of a counter's growth has a label; 0 while nothing has."""
    return f"({failed(counter, part, *matchers, by=by)}) / {rate(counter, *matchers, by=by)}"


def quantile(of_all: float, histogram: str, *matchers: str, by: str = "") -> str:
    """What so many of all values of a histogram are below."""
    buckets = rate(f"{histogram}_bucket", *matchers, by=f"le, {by}" if by else "le")
    return f"histogram_quantile({of_all}, {buckets})"


def traced(line: str, of_all: float, *matchers: str) -> Query:
    """
    Show a line with single traces as dots on it.

    The right side adds no value to the line, which says the same whatever is sampled, but its exemplars:
    where the Collector samples there are no others, and each of them leads to a trace that was kept.

    Args:
        line: the quantile, one series.
        of_all: which quantile it is.
        matchers: the spans that it measures.
    """
    dots = quantile(of_all, f"{SAMPLED}_duration_seconds", *matchers)
    return Query(f"{line} or {dots}", f"p{of_all * 100:g}", exemplars=True)


def mean(histogram: str, *matchers: str, by: str = "") -> str:
    """Return the mean of a histogram's values."""
    return f"{rate(f'{histogram}_sum', *matchers, by=by)} / {rate(f'{histogram}_count', *matchers, by=by)}"


def heat(histogram: str, *matchers: str) -> str:
    """How many values fell into each bucket of a histogram."""
    return f"sum by (le) (increase({of(f'{histogram}_bucket', *matchers)}{_WINDOW}))"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
