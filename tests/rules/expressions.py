"""Every PromQL expression of the dashboards, the data sources and the rules, and what is in it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import promql_parser
import yaml

from voxtrace_services.native.layout import root

GRAFANA = root() / "deploy" / "grafana"
RULES = root() / "deploy" / "prometheus" / "rules"
#: What Grafana puts for its own variables; no length that anybody would write.
TIMES = {"$__rate_interval": "241s", "$__interval": "17s", "$__range": "601s"}


@dataclass(frozen=True, kw_only=True)
class Expression:
    """
    What is asked of Prometheus.

    Attributes:
        where: who asks: a dashboard and panel, or a rule.
        text: PromQL, with Grafana's variables.
        legend: how its answers are called.
        exemplars: single traces are shown beside it.
        alerts: it has an answer only while something is wrong.
    """

    where: str
    text: str
    legend: str = ""
    exemplars: bool = False
    alerts: bool = False

    @property
    def plain(self) -> str:
        """It without variables: all jobs, all instances, all that there is to choose from."""
        text = self.text
        for name, value in TIMES.items():
            text = text.replace(name, value)
        # `$1` is a rule's own, in label_replace.
        return re.sub(r"\$\{?[a-z]\w*\}?", ".+", text)


@dataclass(frozen=True, kw_only=True)
class Selector:
    """The series that an expression reads: a name, and each matcher as it is written."""

    name: str
    matchers: frozenset[str]

    @property
    def labels(self) -> set[str]:
        """The labels it asks for."""
        return {re.split(r"[=!]", matcher)[0] for matcher in self.matchers}


def boards() -> dict[str, dict[str, Any]]:
    """Each dashboard, by its file's name."""
    found = sorted((GRAFANA / "dashboards").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard, less the headings of its rows."""
    every = [
        *board.get("panels", ()),
        *(inner for row in board.get("panels", ()) for inner in row.get("panels", ())),
    ]
    return [one for one in every if one["type"] != "row"]


def drawn() -> list[Expression]:
    """What panels ask."""
    return [
        Expression(
            where=f"{uid} / {panel['title']} / {target['refId']}",
            text=target["expr"],
            legend=target.get("legendFormat", ""),
            exemplars=target.get("exemplar", False),
        )
        for uid, board in boards().items()
        for panel in panels(board)
        for target in panel["targets"]
    ]


def noted() -> list[Expression]:
    """What annotations ask."""
    return [
        Expression(where=f"{uid} / annotation {one['name']}", text=one["expr"])
        for uid, board in boards().items()
        for one in board["annotations"]["list"]
    ]


def chosen() -> list[Expression]:
    """The series whose labels the reader chooses from."""
    return [
        Expression(
            where=f"{uid} / variable {one['name']}",
            text=re.sub(r"^label_values\((.*), \w+\)$", r"\1", one["query"]),
        )
        for uid, board in boards().items()
        for one in board["templating"]["list"]
        if one["type"] == "query"
    ]


def sources() -> dict[str, dict[str, Any]]:
    """Each data source, by its type, as Grafana reads it once its environment is filled in."""
    text = (GRAFANA / "provisioning" / "datasources" / "voxtrace.yaml").read_text(encoding="utf-8")
    return {one["type"]: one for one in yaml.safe_load(text)["datasources"]}


def linked() -> list[Expression]:
    """What a span's links to metrics ask, of the service `asr`."""
    return [
        Expression(
            where=f"data source Jaeger / {one['name']}",
            text=one["query"].replace("$$__tags", 'service_name="asr"').replace("$$", "$"),
        )
        for one in sources()["jaeger"]["jsonData"]["tracesToMetrics"]["queries"]
    ]


def ruled() -> list[Expression]:
    """What recording and alerting rules ask."""
    return [
        Expression(
            where=f"{path.name} / {rule.get('record') or rule['alert']} {number}",
            text=rule["expr"],
            alerts="alert" in rule,
        )
        for path in sorted(RULES.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for number, rule in enumerate(group["rules"])
    ]


@cache
def recorded() -> dict[str, set[str]]:
    """The series that rules record, and the labels that those may have."""
    rules = [
        rule
        for path in RULES.glob("*.yaml")
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]
    labels: dict[str, set[str]] = {rule["record"]: set() for rule in rules}
    # What is recorded from recorded series has theirs: as often as rules build on rules.
    for rule in rules * 4:
        labels[rule["record"]] |= set(rule.get("labels", ()))
        for node in nodes(rule["expr"]):
            if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
                labels[rule["record"]] |= set(node.modifier.labels)
            elif isinstance(node, promql_parser.Call) and node.func.name == "label_replace":
                labels[rule["record"]].add(cast("promql_parser.StringLiteral", node.args[1]).val)
            elif isinstance(node, promql_parser.VectorSelector):
                labels[rule["record"]] |= labels.get(node.name or "", set())
    return labels


@cache
def conditions() -> dict[str, list[Selector]]:
    """What a load run alone does not bring, by what does."""
    document = yaml.safe_load((GRAFANA / "conditions.yaml").read_text(encoding="utf-8"))
    return {
        name: [selector for text in one["series"] for selector in selectors(text)]
        for name, one in document.items()
    }


def needs(text: str) -> set[str]:
    """Return the conditions of an expression: those of the series that it reads."""
    read = selectors(text)
    return {
        name
        for name, series in conditions().items()
        for one in series
        if any(one.name == other.name and one.matchers <= other.matchers for other in read)
    }


@cache
def nodes(text: str) -> tuple[Any, ...]:
    """Every part of an expression; raises ValueError where it is none."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(text), found.append)
    return tuple(found)


def selectors(text: str) -> list[Selector]:
    """Return the series that an expression reads."""
    signs = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    return [
        Selector(
            name=node.name or "",
            matchers=frozenset(
                f'{one.name}{signs[str(one.op).rpartition(".")[2]]}"{one.value}"'
                for one in node.matchers.matchers
            ),
        )
        for node in nodes(text)
        if isinstance(node, promql_parser.VectorSelector)
    ]
