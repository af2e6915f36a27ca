"""The page docs/telemetry.md, written from the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry import Attribute, Emitted, Event, Metric, Registry, Span

_HEAD = """# Telemetry

Every span, event, metric and attribute that leaves a service under Voxtrace. This page is written from
[otel/schema](../otel/schema/model) by `make schema`; tests hold the code and what a run emits to it. How the
spans of RabbitMQ hang together: [messaging.md](messaging.md).
"""


def render(registry: Registry) -> str:
    """The page."""
    lines = [_HEAD, "## Spans", ""]
    for span in registry.spans:
        lines += _span(span)
    if registry.events:
        lines += ["## Events", ""]
        for event in registry.events:
            lines += _event(event)
    lines += ["## Metrics", ""]
    for metric in registry.metrics:
        lines += _metric(metric)
    lines += ["## Attributes", ""]
    for group in registry.attribute_groups:
        lines += [group.brief, "", *_table("attribute", "type", "unit", "what", "for example")]
        lines += [_attribute(one) for one in group.attributes]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _span(span: Span) -> Iterable[str]:
    yield f"### `{span.annotations.name}`"
    yield ""
    yield f"{span.span_kind.upper()}, by `{span.annotations.emitted_by}`. {span.brief}"
    if span.annotations.names:
        yield ""
        yield f"They are {', '.join(f'`{name}`' for name in span.annotations.names)}."
    yield ""
    yield from _references(span)


def _event(event: Event) -> Iterable[str]:
    yield f"### `{event.name}`"
    yield ""
    yield f"By `{event.annotations.emitted_by}`. {event.brief}"
    yield ""
    yield from _references(event)


def _metric(metric: Metric) -> Iterable[str]:
    yield f"### `{metric.metric_name}`"
    yield ""
    unit = f" in {metric.unit}" if metric.unit not in {"", "1"} else ""
    yield f"{metric.instrument.capitalize()}{unit}, by `{metric.annotations.emitted_by}`. {metric.brief}"
    if metric.deprecated:
        yield ""
        yield f"Only under `messaging/dup`; now it is `{metric.deprecated.renamed_to}`."
    yield ""
    yield from _references(metric)


def _references(group: Emitted) -> Iterable[str]:
    if group.attributes:
        yield from _table("attribute", "when")
        yield from (f"| `{one.ref}` | {one.when} |" for one in group.attributes)
        yield ""


def _attribute(attribute: Attribute) -> str:
    examples: Iterable[object] = attribute.examples
    if not isinstance(attribute.type, str):
        examples = (member.value for member in attribute.type.members)
    shown = ", ".join(f"`{example}`" for example in examples)
    brief = attribute.brief
    if attribute.deprecated and attribute.deprecated.renamed_to:
        brief = f"{brief} Now `{attribute.deprecated.renamed_to}`."
    unit = attribute.annotations.unit or ""
    return f"| `{attribute.id}` | {attribute.type_name} | {unit} | {brief} | {shown} |"


def _table(*columns: str) -> list[str]:
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
