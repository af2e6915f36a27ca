"""Panels: each with what it shows in a sentence, a unit, and its queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    timeseries,
)
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat_model
from grafana_foundation_sdk.models import prometheus as query_model

if TYPE_CHECKING:
    from promql import Query

_SERIES = query_model.PromQueryFormat.TIME_SERIES
# Counts up to each bound are made counts between two: of buckets alone, not where rows are something else.
_BUCKETS = query_model.PromQueryFormat.HEATMAP

PROMETHEUS = options.DataSourceRef(type_val="prometheus", uid="${datasource}")

Panel = timeseries.Panel | stat.Panel | heatmap.Panel | bargauge.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, heatmap.Panel, bargauge.Panel)


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    span: int = 8,
    stacked: bool = False,
    bound: float | None = None,
    nothing: str | None = None,
) -> timeseries.Panel:
    """
    Values over time.

    Args:
        title: its heading.
        description: what it shows, and what to make of it.
        queries: what it asks.
        unit: Grafana's name of the unit.
        span: its width, of 24.
        stacked: the lines are parts of a whole.
        bound: a line that values should stay below.
        nothing: said where there is no data.
    """
    panel = (
        timeseries.Panel()
        .draw_style(options.GraphDrawStyle.LINE)
        .fill_opacity(25 if stacked else 5)
        .line_width(1)
        .show_points(options.VisibilityMode.AUTO)
        .axis_soft_min(0)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(options.TooltipDisplayMode.MULTI)
            .sort(options.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    if bound is not None:
        panel = panel.thresholds(_bound(bound)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        )
    return _filled(panel, title, description, queries, unit=unit, span=span, nothing=nothing)


def number(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str,
    span: int = 4,
    bound: float | None = None,
    low: float | None = None,
    nothing: str | None = None,
) -> stat.Panel:
    """
    Show one number, with its course behind it; red at `bound` and above, or below `low`.

    Args:
        title: its heading.
        description: what it shows.
        query: what it asks.
        unit: Grafana's name of the unit.
        span: its width, of 24.
        bound: from here on it is bad.
        low: below this it is bad.
        nothing: said where there is no data.
    """
    panel = (
        stat.Panel()
        .graph_mode(options.BigValueGraphMode.NONE if query.last else options.BigValueGraphMode.AREA)
        .color_mode(options.BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if low is not None:
        panel = panel.thresholds(
            dashboard.ThresholdsConfig()
            .mode(model.ThresholdsMode.ABSOLUTE)
            .steps([model.Threshold(color="red"), model.Threshold(color="green", value=low)])
        )
    else:
        panel = panel.thresholds(_bound(bound))
    return _filled(panel, title, description, (query,), unit=unit, span=span, height=4, nothing=nothing)


def heat(
    title: str, description: str, query: Query, *, unit: str, span: int = 8, rows: bool = False
) -> heatmap.Panel:
    """
    Where values lie over time, the more the brighter.

    Args:
        title: its heading.
        description: what it shows.
        query: a histogram's buckets, or a series for each row.
        unit: Grafana's name of the unit: of the buckets, or of the cells.
        span: its width, of 24.
        rows: each series is a row of its own, in place of a bucket.
    """
    axis = heatmap.YAxisConfig().axis_placement(options.AxisPlacement.LEFT)
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heat_model.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .scale(heat_model.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .fill("dark-orange")
            .steps(64)
        )
        .y_axis(axis if rows else axis.unit(unit))
        .cell_values(heatmap.CellValues().unit(unit if rows else "short"))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .cell_gap(1)
        .show_legend()
        .tooltip(heatmap.HeatmapTooltip().mode(options.TooltipDisplayMode.SINGLE).y_histogram(not rows))
        .exemplars_color("rgba(255,0,255,0.7)")
    )
    return _filled(
        panel, title, description, (query,), unit=unit, span=span, form=_SERIES if rows else _BUCKETS
    )


def bars(
    title: str, description: str, query: Query, *, unit: str, span: int = 8, nothing: str | None = None
) -> bargauge.Panel:
    """Compare the last value of each series."""
    panel = (
        bargauge.Panel()
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .orientation(options.VizOrientation.HORIZONTAL)
        .value_mode(options.BarGaugeValueMode.COLOR)
        .show_unfilled(True)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .min(0)
        .thresholds(_bound(None))
    )
    return _filled(panel, title, description, (query,), unit=unit, span=span, nothing=nothing)


def _filled(
    panel: P,
    title: str,
    description: str,
    queries: tuple[Query, ...],
    *,
    unit: str,
    span: int,
    height: int = 8,
    nothing: str | None = None,
    form: query_model.PromQueryFormat = _SERIES,
) -> P:
    panel = (
        panel.title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(span)
        .height(height)
    )
    if nothing is not None:
        panel = panel.no_value(nothing)
    for index, query in enumerate(queries):
        asked = (
            prometheus.Dataquery()
            .expr(query.expr)
            .legend_format(query.legend)
            .format(form)
            .ref_id(chr(ord("A") + index))
            .exemplar(query.exemplars)
            .datasource(PROMETHEUS)
        )
        panel = panel.with_target(asked.instant() if query.last else asked.range())
    return panel


def _bound(bound: float | None) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(color="green")]
    if bound is not None:
        steps.append(model.Threshold(color="red", value=bound))
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)
