"""What twenty uploads really emitted, held to the schema."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import registry
import yaml

from e2e.evidence import Upload, prometheus, until
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native.layout import root
from voxtrace_services.native.stack import Stack

SCHEMA = registry.load()
GOLDEN = Path(__file__).parent / "prometheus_names.txt"

#: What the Collector and its exporter add, and what the SDK says of itself.
COMMON = {"job", "instance", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}
FOREIGN = ("otel_sdk_", "target_info", "traces_span_metrics_")
#: There only while a message is in hand at the moment of an export.
OCCASIONAL = {"gauge voxtrace_messaging_in_flight", "gauge voxtrace_messaging_in_flight_age_seconds"}

_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? ")


def exported(pipeline: Stack) -> str:
    """What the Collector offers Prometheus now."""
    url = f"http://127.0.0.1:{pipeline.ports.collector_metrics}/metrics"
    return httpx.get(url, headers={"Accept": "application/openmetrics-text"}, timeout=10).text


def names(page: str) -> set[str]:
    """Type and name of each metric on a page, less those of others."""
    found = {
        " ".join(reversed(line.split()[2:4])) for line in page.splitlines() if line.startswith("# TYPE ")
    }
    return {name for name in found if not name.split()[1].startswith(FOREIGN)} - OCCASIONAL


@pytest.fixture(scope="module", name="spans")
def _spans(pipeline: Stack, uploads: list[Upload], traces: dict[str, Trace]) -> list[dict[str, Any]]:
    """Every span of the uploads, as the console has them: Jaeger keeps no attributes of links on its disk."""

    def read(trace_id: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{pipeline.console_url}/api/v3/traces/{trace_id}", timeout=10)
        document = answer.json()["result"] if answer.status_code == 200 else {"resourceSpans": []}
        scopes = [scope for resource in document["resourceSpans"] for scope in resource["scopeSpans"]]
        return [span for scope in scopes for span in scope["spans"]]

    found = []
    for upload in uploads:
        known = {span.span_id for span in traces[upload.id].spans}
        found += until(
            lambda trace_id=upload.trace_id: read(trace_id),
            lambda spans, known=known: known <= {span["spanId"] for span in spans},
        )
    return found


def test_every_span_is_in_the_schema(spans: list[dict[str, Any]]) -> None:
    """Each span has a name and a kind that the schema knows, the attributes it requires, and no others."""
    faults = defaultdict(set)
    for span in spans:
        kind = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}[span["kind"]]
        known = [one for one in SCHEMA.spans if one.span_kind == kind and one.is_named(span["name"])]
        if not known:
            faults[span["name"]].add(f"unknown as {kind}")
            continue
        said = {attribute["key"] for attribute in span.get("attributes", ())}
        # Jaeger's own remarks, such as that it moved a span because two services' clocks differ.
        said = {name for name in said if not name.startswith("@jaeger@")}
        allowed = {one.ref for each in known for one in each.attributes}
        required = [{one.ref for one in each.attributes if one.when == "always"} for each in known]
        faults[span["name"]] |= {f"has {name}" for name in said - allowed}
        if not any(wanted <= said for wanted in required):
            faults[span["name"]] |= {f"lacks {name}" for name in required[0] - said}
    assert {name: found for name, found in faults.items() if found} == {}
    assert len(spans) > 200


def test_every_event_and_link_is_in_the_schema(spans: list[dict[str, Any]]) -> None:
    """Each event has a known name and known attributes; links say why they are there, and no more."""
    allowed = {event.name: {one.ref for one in event.attributes} for event in SCHEMA.events}
    for span in spans:
        for event in span.get("events", ()):
            said = {attribute["key"] for attribute in event.get("attributes", ())}
            assert said <= allowed[event["name"]]
        for link in span.get("links", ()):
            assert {attribute["key"] for attribute in link.get("attributes", ())} <= {"voxtrace.link.reason"}


def test_every_series_is_in_the_schema(pipeline: Stack, traces: dict[str, Trace]) -> None:
    """Each series that the Collector exports has a name and labels that the schema makes."""
    allowed = {name: labels for metric in SCHEMA.metrics for name, labels in metric.series.items()}
    seen, unknown = set(), set()
    for line in exported(pipeline).splitlines():
        # What follows is the sample's exemplar.
        sample = _SAMPLE.match(line.partition(" # ")[0])
        if line.startswith("#") or sample is None or sample[1].startswith(FOREIGN):
            continue
        labels = set(re.findall(r'(\w+)="', sample[2] or "")) - COMMON
        seen.add(sample[1])
        if sample[1] not in allowed or not labels <= allowed[sample[1]]:
            unknown.add((sample[1], *sorted(labels - allowed.get(sample[1], set()))))
    assert unknown == set()
    assert len(seen) > 60


def test_the_names_in_prometheus_are_the_golden_ones(pipeline: Stack, traces: dict[str, Trace]) -> None:
    """The Collector exports exactly these types and names: dashboards and rules are built on them."""
    golden = set(GOLDEN.read_text(encoding="utf-8").splitlines())
    assert until(lambda: names(exported(pipeline)), lambda found: found == golden, seconds=90) == golden


def test_every_former_metric_has_a_value(pipeline: Stack, traces: dict[str, Trace]) -> None:
    """After the uploads each metric of a home-made monitor is there under its old name."""
    rules = yaml.safe_load((root() / "deploy/prometheus/rules/compat.yaml").read_text(encoding="utf-8"))
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"]}

    def silent() -> set[str]:
        return {name for name in recorded if not prometheus(pipeline, name)}

    assert until(silent, lambda found: not found, seconds=90) == set()
