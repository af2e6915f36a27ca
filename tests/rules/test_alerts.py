"""Every alert has been seen to fire, has a page that says what to do, and reads what is there."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import registry
import yaml

from rules.promql import selected
from rules.test_compat import promtool
from voxtrace_services.cli.app import app
from voxtrace_services.core.topology import DEAD, WORK_QUEUES
from voxtrace_services.native.layout import root
from voxtrace_services.native.pace import PATIENCE, Pace

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = root() / "deploy" / "prometheus" / "rules"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "compat.yaml")
TESTS = sorted((root() / "tests" / "rules" / "alerts").glob("*.test.yaml"))
RUNBOOKS = root() / "docs" / "runbooks"

SECTIONS = ["What it means", "How to look", "What to do", "When it is false"]
SEVERITIES = {"page", "ticket", "info"}
DASHBOARDS = {
    f"/d/voxtrace-{name}"
    for name in (
        "overview", "gateway", "asr", "translation", "synthesis", "queues", "speech", "cost", "slo",
        "resources", "collector",
    )
}  # fmt: skip

#: Series of others, and the labels of theirs that rules ask for.
FOREIGN = {
    "up": {"job"},
    "target_info": {"telemetry_sdk_name"},
    "traces_span_metrics_calls_total": {"span_name", "status_code"},
    "traces_span_metrics_duration_seconds_bucket": {"span_name", "le"},
    "otel_sdk_processor_span_processed_total": {"error_type"},
    "otel_sdk_processor_log_processed_total": {"error_type"},
    "otel_sdk_processor_span_queue_size": set(),
    "otel_sdk_exporter_span_exported_total": {"error_type"},
    "otel_sdk_exporter_log_exported_total": {"error_type"},
    "otelcol_process_uptime": set(),
    "otelcol_exporter_queue_size": {"exporter"},
    "otelcol_exporter_queue_capacity": set(),
    "otelcol_receiver_refused_spans": set(),
    "otelcol_exporter_sent_spans": set(),
    "otelcol_exporter_enqueue_failed_spans": {"exporter"},
    "otelcol_exporter_enqueue_failed_metric_points": {"exporter"},
    "otelcol_exporter_enqueue_failed_log_records": {"exporter"},
    "otelcol_exporter_send_failed_spans": {"exporter"},
    "otelcol_exporter_send_failed_metric_points": {"exporter"},
    "otelcol_exporter_send_failed_log_records": {"exporter"},
    "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early": set(),
    "rabbitmq_detailed_queue_messages": {"queue"},
    "rabbitmq_detailed_queue_messages_ready": {"queue"},
    "rabbitmq_detailed_queue_consumers": {"queue"},
    "rabbitmq_connections_opened_total": set(),
    "rabbitmq_global_messages_redelivered_total": set(),
    "rabbitmq_global_messages_delivered_total": set(),
}


def _load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def _rules(kind: str) -> list[dict[str, Any]]:
    return [
        rule for path in FILES for group in _load(path)["groups"] for rule in group["rules"] if kind in rule
    ]


ALERTS = _rules("alert")
NAMES = sorted({rule["alert"] for rule in ALERTS})
CASES = [
    (test["name"], case)
    for path in TESTS
    for test in _load(path)["tests"]
    for case in test["alert_rule_test"]
]


def test_promtool_finds_nothing_to_say() -> None:
    """The rules are valid, and pass every lint."""
    answer = promtool("check", "rules", "--lint=all", "--lint-fatal", *FILES)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.removesuffix(".test.yaml"))
def test_alerts_fire_as_written(path: Path) -> None:
    """On known numbers each alert fires with exactly these labels and texts, or does not."""
    answer = promtool("test", "rules", path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_another_bound_would_be_noticed(tmp_path: Path) -> None:
    """Promtool fails where an alert's bound is not what its test takes it for."""
    document = _load(root() / "tests" / "rules" / "alerts" / "cost.test.yaml")
    for file in document["rule_files"]:
        name = file.rpartition("/")[2]
        text = (FOLDER / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("vector(50)", "vector(500)"), encoding="utf-8")
    document["rule_files"] = [file.rpartition("/")[2] for file in document["rule_files"]]
    test = tmp_path / "cost.test.yaml"
    test.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert promtool("test", "rules", test).returncode != 0


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_fires_in_a_test_and_does_not_in_another(name: str) -> None:
    """There is a test in which it fires, each rule of its name for itself, and one in which it does not."""
    fired = [alert for _, case in CASES if case["alertname"] == name for alert in case["exp_alerts"]]
    for rule in ALERTS:
        fixed = {key: value for key, value in rule["labels"].items() if "{{" not in value}
        if rule["alert"] == name:
            assert any(fixed.items() <= alert["exp_labels"].items() for alert in fired), fixed
    assert any(case["alertname"] == name and not case["exp_alerts"] for _, case in CASES)
    assert all(title.startswith(f"{case['alertname']}: ") for title, case in CASES)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_says_all_there_is_to_know(rule: dict[str, Any]) -> None:
    """A severity, the service, a summary, a description, the runbook and a dashboard that there is."""
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["labels"]["service"]
    notes = rule["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url", "dashboard"}
    assert notes["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    assert notes["dashboard"] in DASHBOARDS


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_runbook(name: str) -> None:
    """Its page says what it means, how to look (a query or a command), what to do and when it is false."""
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    look = text.partition("## How to look\n")[2].partition("\n## ")[0]
    assert re.search(r"^    \S", look, flags=re.MULTILINE), "a query or a command, indented"


def test_runbooks_name_commands_that_there_are() -> None:
    """Each `voxtrace` command of a runbook is one of the command line's."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in RUNBOOKS.glob("*.md"))
    named = set(re.findall(r"^    voxtrace (\w+)", text, flags=re.MULTILINE))
    assert named
    assert named <= {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}


def test_no_runbook_is_left_over() -> None:
    """There is a page for each alert, and an index that names all; nothing else."""
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == sorted([*NAMES, "README"])
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"\]\((\w+)\.md\)", index))) == NAMES


def _said(path: Path) -> list[str]:
    """The queries of a runbook: what is indented and is no command."""
    lines = re.findall(r"^    (\S.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line for line in lines if line.startswith("promql: ")]


def _expressions() -> list[tuple[str, str]]:
    recorded = [(rule["record"], rule["expr"]) for rule in _rules("record")]
    in_runbooks = [
        (path.stem, query.removeprefix("promql: ")) for path in RUNBOOKS.glob("*.md") for query in _said(path)
    ]
    return [*recorded, *((rule["alert"], rule["expr"]) for rule in ALERTS), *in_runbooks]


def test_rules_and_runbooks_read_what_is_there() -> None:
    """Each series is one of the schema, a recorded one or a listed one of others, with labels that it has."""
    common = {"job", "instance"}
    known = {
        series: labels | common
        for metric in registry.load().metrics
        for series, labels in metric.series.items()
    }
    known |= {name: labels | common for name, labels in FOREIGN.items()}
    recorded = {rule["record"] for rule in _rules("record")}
    unknown = {
        (where, series, label)
        for where, expression in _expressions()
        for series, labels in selected(expression)
        if series not in recorded
        for label in ["", *labels]
        if series not in known or (label and label not in known[series])
    }
    assert unknown == set()
    read = {series for _, expression in _expressions() for series, _ in selected(expression)}
    assert FOREIGN.keys() <= read


def test_a_name_that_is_not_there_would_be_noticed() -> None:
    """What is read is found in functions, in groupings, beside ranges and after numbers."""
    expression = (
        'sum by (job) (rate(a_total{b="x[5m]", c!~"(y)"}[5m] offset 1h)) > on (le) group_left (f) '
        "8e9 * d:e or vector(1)"
    )
    assert list(selected(expression)) == [("a_total", {"b", "c"}), ("d:e", set())]


def test_each_bound_is_used_and_each_used_is_there() -> None:
    """No alert compares with a bound that nobody records, for it would never fire."""
    recorded = {rule["record"] for rule in _rules("record") if rule["record"].startswith("bound:")}
    used = {series for rule in ALERTS for series, _ in selected(rule["expr"]) if series.startswith("bound:")}
    assert used == recorded


@pytest.mark.parametrize("name", ["alerts.yaml", "bounds.yaml", "slo.yaml"])
def test_what_was_decided_has_its_reason(name: str) -> None:
    """A comment stands before each alert, each bound and each objective, or before the first of a kind."""
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    bare = []
    for before, line in itertools.pairwise(lines):
        decided = re.match(r"      - (?:alert|record): ((?:bound|slo:objective)\b\S*|[A-Z]\w+)$", line)
        if decided is None or before.lstrip().startswith("#"):
            continue
        rules = [rule.get("record") or rule.get("alert") for rule in (*_rules("record"), *ALERTS)]
        if rules.count(decided[1]) == 1:
            bare.append(decided[1])
    # These belong to the bound before them, and are part of what is said there.
    assert set(bare) <= {
        "bound:cache_hit_ratio:fall", "bound:cache_lookups", "bound:redelivery_ratio", "bound:memory_ratio",
        "bound:quality_flag_rise", "bound:quality_operations",
    }  # fmt: skip


def test_latencies_are_bounded_where_the_histogram_is() -> None:
    """Each bound of a duration, and each objective's, is a boundary of the histogram that it is asked of."""
    red = _load(root() / "collector-config" / "red.yaml")
    written = red["connectors"]["span_metrics"]["histogram"]["explicit"]["buckets"]
    spans = {int(text[:-2]) / 1000 if text.endswith("ms") else float(text[:-1]) for text in written}
    ours = set(registry.load().buckets["duration"])
    text = " ".join(rule["expr"] for rule in _rules("record"))
    asked = {float(one) for one in re.findall(r'le=~"(\d+)\(', text)}
    bounds = {
        (rule["record"], float(rule["expr"].removeprefix("vector(").removesuffix(")")))
        for rule in _rules("record")
        if rule["record"].startswith("bound:") and "seconds:p" in rule["record"]
    }
    assert asked <= spans & ours
    assert {bound for name, bound in bounds if "duration" in name} <= spans
    assert {bound for name, bound in bounds if "queue" in name} <= ours
    assert asked
    assert len(bounds) > 1


def test_the_collectors_door_is_no_loss() -> None:
    """What base.yaml exports to itself is in none of the rules on what exporters lost or owe."""
    door = {name for name in _load(root() / "collector-config" / "base.yaml")["exporters"] if name != "nop"}
    asked = [expression for _, expression in _expressions() if "otelcol_exporter_" in expression]
    left_out = {text for expression in asked for text in re.findall(r'exporter!~"([^"]+)"', expression)}
    assert len(left_out) == 1
    assert {name for name in door if re.fullmatch(next(iter(left_out)), name)} == door


def test_queues_are_those_of_the_topology() -> None:
    """The rules know each work queue and its service, and the queue of dead letters."""
    known = {
        rule["labels"]["queue"]: rule["labels"]["service"]
        for rule in _rules("record")
        if rule["record"] == "queue:service:info"
    }
    assert known == dict(zip(WORK_QUEUES, ("asr", "translation", "synthesis", "gateway"), strict=True))
    assert any(f'queue="{DEAD}"' in rule["expr"] for rule in ALERTS)


@pytest.mark.parametrize("scale", [7, 60, 1000])
def test_rules_are_valid_at_any_pace(tmp_path: Path, scale: float) -> None:
    """Divided by whatever number, the rules are as valid, and of as many names, as they are written."""
    pace = Pace(scale)
    for path in FOLDER.glob("*.yaml"):
        document = _load(path)
        faster = pace.rules(document)
        (tmp_path / path.name).write_text(yaml.safe_dump(faster, sort_keys=False), encoding="utf-8")
        assert _without_durations(faster) == _without_durations(document)
    answer = promtool("check", "rules", "--lint=all", "--lint-fatal", *tmp_path.iterdir())
    assert answer.returncode == 0, answer.stdout + answer.stderr


def _without_durations(document: dict[str, Any]) -> str:
    """The text of a document less what a pace changes."""
    kept = [group if group["name"] != PATIENCE else {} for group in document["groups"]]
    text = re.sub(r'"(interval|for|keep_firing_for)": "\w+"', r'"\1": ""', json.dumps(kept))
    return re.sub(r"\[\w+\]|offset \w+", "", text)


def test_the_rules_of_patience_are_bounds() -> None:
    """The group of bounds that a pace divides is there, and holds plain numbers."""
    (group,) = [group for group in _load(FOLDER / "bounds.yaml")["groups"] if group["name"] == PATIENCE]
    assert all(re.fullmatch(r"vector\(\d+\)", rule["expr"]) for rule in group["rules"])
    assert len(group["rules"]) > 1


def test_the_remote_write_section_is_valid(tmp_path: Path) -> None:
    """Appended to prometheus.yml, as it says, remote-write.yaml makes a configuration that is accepted."""
    folder = root() / "deploy" / "prometheus"
    parts = [(folder / name).read_text(encoding="utf-8") for name in ("prometheus.yml", "remote-write.yaml")]
    (tmp_path / "prometheus.yml").write_text("\n".join(parts), encoding="utf-8")
    answer: subprocess.CompletedProcess[str] = promtool("check", "config", tmp_path / "prometheus.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
