"""
Dashboards, held to the rules of Grafana's dashboard-linter and to the schema.

The linter itself needs a module of Grafana's own that is not to be had everywhere; its rules are tests here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import registry
import yaml
from grafana_foundation_sdk.models import units

from rules import expressions
from rules.expressions import Expression
from voxtrace_services.native.layout import root

BOARDS = expressions.boards()
DRAWN = expressions.drawn()
ASKED = [*DRAWN, *expressions.noted(), *expressions.chosen(), *expressions.linked()]
UIDS = {
    f"voxtrace-{name}"
    for name in (
        "overview", "gateway", "asr", "translation", "synthesis", "queues", "speech", "cost", "slo",
        "resources", "collector", "compat",
    )
}  # fmt: skip
#: Grafana's names of the units.
UNITS = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}

#: Series that are not chosen by the dashboard's job, with the reason.
NOT_BY_JOB = {
    "ALERTS": "an alert keeps the labels that its rule keeps",
    "rabbitmq_queue_size": "recorded by queue, as the monitors had it",
    "pipeline_system_cpu_percent": "recorded over all services, as the monitors had it",
    "otel_sdk_processor_span_processed_total": "the services', on the Collector's dashboard",
    "otel_sdk_exporter_span_exported_total": "the services', on the Collector's dashboard",
    "otel_sdk_processor_span_queue_size": "the services', on the Collector's dashboard",
    "speech_job_duration_seconds_count": "on the cost dashboard: the gateway counts jobs, whoever is chosen",
    "slo:": "an objective covers its service whole",
    "stage:": "beside the objectives",
    "bound:": "a bound is everybody's",
    "up": "of every target, on the Collector's dashboard",
    "scrape_samples_scraped": "of every target, on the Collector's dashboard",
}
#: Series that are not chosen by the dashboard's instance, with the reason.
NOT_BY_INSTANCE = {
    **NOT_BY_JOB,
    "traces_span_metrics_": "one series per service, whatever the number of its instances",
    "traces_sampled_": "the same",
    "target_info": "as an annotation: a new instance is the news",
}
#: Counters that are read as they are, with the reason.
AS_THEY_ARE = {
    "speech_model_load_duration_seconds_": "a model is loaded once, at the start: its rate is 0 from then on",
    "tts_model_load_time_seconds_": "the same",
}
#: What others say of themselves; that it is there, tests/e2e sees.
FOREIGN = (
    "ALERTS",
    "otelcol_",
    "otel_sdk_",
    "rabbitmq_",
    "scrape_samples_scraped",
    "target_info",
    "traces_",
    "up",
)
COMMON = {"job", "instance", "le"}


METRICS = registry.load().metrics
GAUGES = {name for one in METRICS if one.instrument in {"gauge", "updowncounter"} for name in one.series}


def series() -> dict[str, set[str]]:
    """Each series that the schema makes, and its labels."""
    return {name: labels for metric in METRICS for name, labels in metric.series.items()}


def excused(name: str, reasons: dict[str, str]) -> bool:
    """Say whether there is a reason for a series."""
    return any(name == one or (one.endswith(("_", ":")) and name.startswith(one)) for one in reasons)


def test_the_dashboards_are_those_that_were_promised() -> None:
    """There is one for the pipeline, one per service, one per subject; a file is named as its dashboard."""
    assert {uid: board["uid"] for uid, board in BOARDS.items()} == {uid: uid for uid in UIDS}
    assert len({board["title"] for board in BOARDS.values()}) == len(UIDS)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_reader_chooses_what_is_shown(board: dict[str, Any]) -> None:
    """Data source, job and instance can be chosen, and what there is to choose follows the time range."""
    variables = {one["name"]: one for one in board["templating"]["list"]}
    source = variables["datasource"]
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")
    for name, one in variables.items():
        if name == "datasource":
            continue
        assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert (one["type"], one["multi"], one["includeAll"], one["allValue"]) == (
            "query",
            True,
            True,
            ".+",
        ), name
        assert one["current"]["value"] == "$__all", name
        assert one["refresh"] == 2, f"{name} is read once, and not when the time range changes"
    assert (variables["job"]["label"], variables["instance"]["label"]) == ("Job", "Instance")


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_nobody_edits_it_in_the_browser(board: dict[str, Any]) -> None:
    """A dashboard is not editable, is classic (no schema v2), and is found by its tag."""
    assert (board["editable"], board["tags"]) == (False, ["voxtrace"])
    assert "elements" not in board
    assert board["schemaVersion"] >= 36


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_panel_says_what_it_shows(board: dict[str, Any]) -> None:
    """Each panel has a title, a sentence, a unit, the chosen data source, and queries."""
    assert expressions.panels(board)
    for panel in expressions.panels(board):
        title = panel["title"]
        assert title
        assert panel["description"].endswith((".", "'")), title
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, title
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title
        assert panel["targets"], title
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"]), title


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_no_panel_covers_another(board: dict[str, Any]) -> None:
    """Panels have numbers of their own and places of their own, on a page that is 24 wide."""
    numbers = [one["id"] for one in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    places = [one["gridPos"] for one in board["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    covered = [
        (one, other)
        for one, other in combinations(places, 2)
        if one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    ]
    assert covered == []


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_buckets_are_drawn_as_buckets(board: dict[str, Any]) -> None:
    """Grafana takes the counts of a histogram apart where the series are its buckets, and only there."""
    asked = [target for panel in expressions.panels(board) for target in panel["targets"]]
    drawn = {one["expr"]: one["format"] for one in asked}
    buckets = {text for text in drawn if text.startswith("sum by (le) ")}
    assert {text for text, form in drawn.items() if form == "heatmap"} == buckets


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_deploys_and_alerts_are_noted(board: dict[str, Any]) -> None:
    """Every dashboard marks when processes started and when alerts fired."""
    notes = {one["name"]: one for one in board["annotations"]["list"]}
    assert notes.keys() == {"Deploys", "Alerts"}
    assert all(one["enable"] and "placement" not in one for one in notes.values())


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_links_lead_to_dashboards_that_are_there(board: dict[str, Any]) -> None:
    """A link is to a dashboard of ours, or to all with our tag."""
    links = [
        *board["links"],
        *(one for panel in expressions.panels(board) for one in panel.get("links") or ()),
    ]
    assert links
    for link in links:
        if link["type"] == "dashboards":
            assert link["tags"] == ["voxtrace"]
        else:
            address = re.fullmatch(
                r"/d/([\w-]+)\?\$\{__url_time_range\}&\$\{datasource:queryparam\}", link["url"]
            )
            assert address is not None, link["url"]
            assert address[1] in UIDS


def test_every_series_is_one_that_there_is() -> None:
    """Expressions are PromQL, and read series of the schema, by labels they have, or such as rules record."""
    known = series() | expressions.recorded()
    unknown = {
        (expression.where, selector.name, *sorted(selector.labels - known.get(selector.name, set()) - COMMON))
        for expression in ASKED
        for selector in expressions.selectors(expression.plain)
        if selector.name
        and not selector.name.startswith(FOREIGN)
        and not (selector.name in known and selector.labels <= known[selector.name] | COMMON)
    }
    assert unknown == set()


def test_series_are_named_by_labels_that_they_have() -> None:
    """A legend's labels are among those that its expression keeps."""
    assert {one.where: lost for one in DRAWN if (lost := _lost(one))} == {}


def _lost(expression: Expression) -> set[str]:
    """Labels of a legend that are not in the answer."""
    known = series() | expressions.recorded()
    kept = set(COMMON)
    for node in expressions.nodes(expression.plain):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            kept |= set(node.modifier.labels)
        if isinstance(node, promql_parser.VectorSelector):
            kept |= known.get(node.name or "", set())
    return set(re.findall(r"\{\{(\w+)\}\}", expression.legend)) - kept


def test_the_reader_is_asked_for_what_was_chosen() -> None:
    """A panel reads the series of the chosen job and instance, unless there is a reason."""
    strays = {
        (expression.where, selector.name, label)
        for expression in DRAWN
        for selector in expressions.selectors(re.sub(r"\$__\w+", "61s", expression.text))
        for label, reasons in (("job", NOT_BY_JOB), ("instance", NOT_BY_INSTANCE))
        if f'{label}=~"${label}"' not in selector.matchers and not excused(selector.name, reasons)
    }
    assert strays == set()


def test_counters_are_read_as_rates() -> None:
    """A counter is read over a window, $__rate_interval or the time that is shown; nothing else is."""
    assert {one.where: wrong for one in DRAWN if (wrong := _misread(one))} == {}


def _misread(expression: Expression) -> set[str]:
    """Series of an expression that are read as what they are not."""
    windows = [
        promql_parser.parse_duration(expressions.TIMES[name]) for name in ("$__rate_interval", "$__range")
    ]
    ranges = [
        node for node in expressions.nodes(expression.plain) if isinstance(node, promql_parser.MatrixSelector)
    ]
    odd = {node.vector_selector.name or "" for node in ranges if node.range not in windows}
    under = {node.vector_selector.name or "" for node in ranges}
    read = {one.name for one in expressions.selectors(expression.plain)}
    return odd | {
        name for name in read if _counts(name) != (name in under) and not excused(name, AS_THEY_ARE)
    }


def _counts(name: str) -> bool:
    """Say whether a series is a counter, a histogram's series among them."""
    if name in GAUGES:
        return False
    # The Collector's own have no suffix.
    own = (
        r"otelcol_(receiver_|exporter_(sent|send|enqueue)_|processor_(incoming|outgoing)_|process_cpu_"
        r"|processor_tail_sampling_(?!sampling_traces_on_memory))"
    )
    return name.endswith(("_total", "_bucket", "_sum", "_count")) or re.match(own, name) is not None


def test_every_reason_is_needed() -> None:
    """No exception outlives what it was made for."""
    names = {one.name for expression in DRAWN for one in expressions.selectors(expression.plain)}
    for reasons in (NOT_BY_JOB, AS_THEY_ARE, {"traces_span_metrics_": "", "traces_sampled_": ""}):
        assert [one for one in reasons if not any(excused(name, {one: ""}) for name in names)] == []


def test_exemplars_are_asked_where_they_are() -> None:
    """Durations of every stage and wait show single traces: those that sampling kept, where it samples."""
    spans = {
        matcher
        for one in DRAWN
        if one.exemplars
        for selector in expressions.selectors(one.plain)
        if selector.name == "traces_sampled_duration_seconds_bucket"
        for matcher in selector.matchers
        if matcher.startswith("span_name=")
    }
    assert spans == {
        f'span_name="{name}"'
        for name in (
            "POST /v1/uploads", "process speech:transcribe", "wait transcribe", "process speech:translate",
            "wait translate", "process speech:synthesize", "wait synthesize", "process speech:events",
            "wait events",
        )
    }  # fmt: skip


def test_every_alert_leads_to_a_dashboard() -> None:
    """The dashboard that an alert names is one of ours."""
    named = {
        rule["alert"]: rule["annotations"]["dashboard"].removeprefix("/d/")
        for path in expressions.RULES.glob("*.yaml")
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert named
    assert {alert: uid for alert, uid in named.items() if uid not in UIDS} == {}


def test_the_former_monitors_are_all_there() -> None:
    """The dashboard of the former monitors shows every series that compat.yaml records."""
    document = yaml.safe_load((expressions.RULES / "compat.yaml").read_text(encoding="utf-8"))
    records = {rule["record"] for group in document["groups"] for rule in group["rules"]}
    asked = [one for one in DRAWN if one.where.startswith("voxtrace-compat")]
    assert records - {one.name for e in asked for one in expressions.selectors(e.plain)} == set()


def test_conditions_are_of_series_that_are_asked_for() -> None:
    """Each entry of conditions.yaml excuses something."""
    read = [one for expression in ASKED for one in expressions.selectors(expression.plain)]
    idle = [
        one
        for listed in expressions.conditions().values()
        for one in listed
        if not any(one.name == other.name and one.matchers <= other.matchers for other in read)
    ]
    assert idle == []


def test_the_files_are_those_of_the_program(tmp_path: Path) -> None:
    """What is committed is what the program writes, and a difference is noticed."""
    copy = tmp_path / "deploy" / "grafana"
    copy.mkdir(parents=True)
    for path in (root() / "deploy" / "grafana").rglob("*"):
        if path.suffix in {".py", ".json"}:
            (copy / path.relative_to(root() / "deploy" / "grafana")).parent.mkdir(exist_ok=True)
            (copy / path.relative_to(root() / "deploy" / "grafana")).write_bytes(path.read_bytes())

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, copy, "--check"], check=False, capture_output=True, cwd=tmp_path, text=True
        )

    assert check().returncode == 0, check().stderr
    changed = copy / "dashboards" / "voxtrace-asr.json"
    document = json.loads(changed.read_text(encoding="utf-8"))
    document["title"] = "by hand"
    changed.write_text(json.dumps(document), encoding="utf-8")
    (copy / "dashboards" / "mine.json").write_text("{}", encoding="utf-8")
    answer = check()
    assert answer.returncode == 1
    assert "voxtrace-asr.json" in answer.stderr
    assert "mine.json" in answer.stderr
