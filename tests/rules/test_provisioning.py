"""What Grafana is given at its start: data sources that know one another, and the dashboards' folder."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import promql_parser
import yaml

from rules import expressions
from voxtrace_services.native.layout import root

FOLDER = expressions.GRAFANA / "provisioning"
SOURCES = expressions.sources()
#: What Grafana's environment must say: README names them.
ENVIRONMENT = {
    "VOXTRACE_PROMETHEUS_URL",
    "VOXTRACE_JAEGER_URL",
    "VOXTRACE_ALERTMANAGER_URL",
    "VOXTRACE_JAEGER_PUBLIC_URL",
    "VOXTRACE_CONSOLE_PUBLIC_URL",
}


def strays(text: str) -> list[str]:
    """Return what Grafana would take for a variable of its environment, and is none that it is given."""
    return [name for name in re.findall(r"(?<!\$)\$(\{?\w+)", text) if name.lstrip("{") not in ENVIRONMENT]


def test_the_sources_know_one_another() -> None:
    """An exemplar leads to Jaeger, a span to Prometheus, and Prometheus' alerts to Alertmanager."""
    uids = {kind: one["uid"] for kind, one in SOURCES.items()}
    prometheus, jaeger = SOURCES["prometheus"]["jsonData"], SOURCES["jaeger"]["jsonData"]
    inside = [one["datasourceUid"] for one in prometheus["exemplarTraceIdDestinations"] if "url" not in one]
    assert inside == [uids["jaeger"]]
    # As Prometheus calls it on an exemplar.
    assert {one["name"] for one in prometheus["exemplarTraceIdDestinations"]} == {"trace_id"}
    assert prometheus["alertmanagerUid"] == uids["alertmanager"]
    assert jaeger["tracesToMetrics"]["datasourceUid"] == uids["prometheus"]
    assert [one for one in SOURCES.values() if one["editable"]] == []
    assert [kind for kind, one in SOURCES.items() if one.get("isDefault")] == ["prometheus"]


def test_only_what_is_given_is_asked_of_the_environment() -> None:
    """Every `$` is a variable that Grafana is given, or is doubled."""
    text = yaml.safe_dump(list(SOURCES.values()), width=1000)
    assert strays(text) == []
    assert {name for name in ENVIRONMENT if f"${{{name}}}" in text} == ENVIRONMENT
    assert strays("query: rate(x{$__tags}[$$__rate_interval]) ${__value.raw}") == ["__tags", "{__value"]


def test_a_rate_has_something_to_be_of() -> None:
    """What $__rate_interval is made from is the slowest of scrapes and exports, which are once a minute."""
    configured = yaml.safe_load((root() / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    slowest = max(timedelta(minutes=1), promql_parser.parse_duration(configured["global"]["scrape_interval"]))
    assert promql_parser.parse_duration(SOURCES["prometheus"]["jsonData"]["timeInterval"]) == slowest


def test_dashboards_are_read_from_their_folder() -> None:
    """They are Grafana's to show and not to change, or to delete."""
    document: dict[str, Any] = yaml.safe_load(
        (FOLDER / "dashboards" / "voxtrace.yaml").read_text(encoding="utf-8")
    )
    (provider,) = document["providers"]
    assert (provider["allowUiUpdates"], provider["disableDeletion"]) == (False, True)
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
