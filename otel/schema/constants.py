"""The module `voxtrace.semconv`, written from the schema."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry import Attribute, Metric, Registry

_HEAD = '''"""
What Voxtrace emits: the names, units and buckets of `otel/schema`; written from it by `make schema`.

Names of the OpenTelemetry semantic conventions 1.44 are copied where they are still incubating, because their
Python constants may move in any release. docs/telemetry.md says what each stands for.
"""

# A line for each name:
# fmt: off
from typing import Final

from voxtrace._metric import Metric

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

#: One prefix, so that a convention of the same kind can take its place.
SPEECH: Final = "speech."
'''

#: Whose names no code of ours writes.
_FOREIGN = "opentelemetry-"


def render(registry: Registry) -> str:
    """The source of the module, a line for each name."""
    lines = [_HEAD]
    for group in registry.attribute_groups:
        if not _foreign(group.annotations.emitted_by):
            lines += ["", *textwrap.wrap(group.brief, 100, initial_indent="# ", subsequent_indent="# ")]
            lines += [line for one in group.attributes for line in _attribute(one)]
    events = [one for one in registry.events if not _foreign(one.annotations.emitted_by)]
    if events:
        lines += ["", "# Events."]
        lines += [f"{_constant('event.' + one.name)}: Final = {_text(one.name)}" for one in events]
    lines += ["", "# Boundaries of histograms."]
    lines += [f"{_boundaries(name)}: Final = {edges!r}" for name, edges in registry.buckets.items()]
    lines += ["", "# Metrics."]
    lines += [_metric(one) for one in registry.metrics if not _foreign(one.annotations.emitted_by)]
    return "\n".join(lines) + "\n"


def _foreign(emitted_by: str | None) -> bool:
    return (emitted_by or "").startswith(_FOREIGN)


def _attribute(attribute: Attribute) -> Iterator[str]:
    constant = _constant(attribute.id)
    yield f"{constant}: Final = {_text(attribute.id)}"
    if not isinstance(attribute.type, str):
        for member in attribute.type.members:
            yield f'{constant}_{_constant(member.id)}: Final = "{member.value}"'


def _metric(metric: Metric) -> str:
    parts = [_text(metric.metric_name), f'"{metric.unit}"', json.dumps(metric.brief, ensure_ascii=False)]
    if metric.annotations.buckets:
        parts.append(_boundaries(metric.annotations.buckets))
    return f"{_constant('metric.' + metric.metric_name)}: Final = Metric({', '.join(parts)})"


def _boundaries(name: str) -> str:
    return _constant(f"buckets.{name}")


def _constant(name: str) -> str:
    return re.sub(r"\W", "_", name).upper()


def _text(name: str) -> str:
    prefix, dot, rest = name.partition(".")
    return f'SPEECH + "{rest}"' if f"{prefix}{dot}" == "speech." else f'"{name}"'
