"""A dashboard: rows of panels, and around them what every dashboard of ours has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chart import PROMETHEUS
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

if TYPE_CHECKING:
    from chart import Panel

TAG = "voxtrace"
ALL = model.VariableOption(text="All", value="$__all", selected=True)


def link(uid: str, title: str) -> dashboard.DashboardLink:
    """Lead from a panel to another dashboard, with the same time and data source."""
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .url(f"/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}")
    )


def choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Let the reader choose from the values of a label, several or all."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(ALL)
    )


class Board:
    """
    A dashboard in the making.

    Args:
        uid: its address.
        title: its name.
        description: what it is for.
        source: a series that every job that it shows has, whose jobs and instances are to choose from.
        choices: more that the reader may choose.
    """

    def __init__(
        self,
        uid: str,
        title: str,
        description: str,
        *,
        source: str,
        choices: tuple[dashboard.QueryVariable, ...] = (),
    ) -> None:
        self.uid = uid
        self._panels = 0
        named = source.partition("{")[0]
        self._made = (
            dashboard.Dashboard(f"Voxtrace / {title}")
            .uid(uid)
            .description(description)
            .tags([TAG])
            .readonly()
            .refresh("30s")
            .time("now-1h", "now")
            .timezone("browser")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
            .with_variable(choice("job", "Job", f"label_values({source}, job)"))
            .with_variable(choice("instance", "Instance", f'label_values({named}{{job=~"$job"}}, instance)'))
            .link(
                dashboard.DashboardLink("Voxtrace")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(True)
                .keep_time(True)
                .include_vars(False)
                .tooltip("The other dashboards of Voxtrace")
            )
            .annotation(
                dashboard.AnnotationQuery()
                .name("Deploys")
                .datasource(PROMETHEUS)
                .enable(True)
                .icon_color("blue")
                # A process that was not there a minute before: a start, after a deploy or after a crash.
                .expr(
                    'target_info{job=~"$job"} unless on (job, instance) (target_info{job=~"$job"} offset 1m)'
                )
                .step("15s")
                .title_format("{{job}} started")
                .text_format("{{service_version}} {{instance}}")
                .tag_keys("job")
            )
            .annotation(
                dashboard.AnnotationQuery()
                .name("Alerts")
                .datasource(PROMETHEUS)
                .enable(True)
                .icon_color("red")
                .expr('ALERTS{alertstate="firing"}')
                .step("15s")
                .title_format("{{alertname}}")
                .text_format("{{severity}} {{service}} {{queue}}")
                .tag_keys("severity")
            )
        )
        for variable in choices:
            self._made = self._made.with_variable(variable)

    def row(self, title: str, *panels: Panel, links: tuple[dashboard.DashboardLink, ...] = ()) -> Board:
        """Add a row, with links on each of its panels."""
        self._made = self._made.with_row(dashboard.Row(title).id(self._next()))
        for one in panels:
            self._made = self._made.with_panel(one.id(self._next()).links(list(links)))
        return self

    def build(self) -> model.Dashboard:
        """Return the dashboard."""
        made = self._made.build()
        # Unless told otherwise the SDK hides both in a menu; its types know no other place.
        for link_ in made.links or ():
            link_.placement = None  # type: ignore[assignment]
        for annotation in made.annotations.list_val or ():
            annotation.placement = None  # type: ignore[assignment]
        return made

    def _next(self) -> int:
        self._panels += 1
        return self._panels
