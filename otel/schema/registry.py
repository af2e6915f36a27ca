"""The schema: every span, attribute and metric, read from `model/` and checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, TypeAdapter

MODEL = Path(__file__).parent / "model"

Stability = Literal["stable", "development"]
_SUFFIXES = ("_bucket", "_sum", "_count")


class SchemaError(Exception):
    """The model contradicts itself; the message names the entry."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Entry):
    """A value that an attribute may have."""

    id: str
    value: str
    stability: Stability
    brief: str


class Members(_Entry):
    """The values that an attribute may have."""

    members: tuple[Member, ...]


class Deprecation(_Entry):
    """Why a name is not to be used any more."""

    reason: Literal["renamed", "obsoleted"]
    renamed_to: str | None = None


class Annotations(_Entry):
    """
    What semantic conventions have no place for.

    Attributes:
        unit: The unit of an attribute's number.
        name: The pattern of a span's name.
        names: The names that the pattern stands for, where they are few.
        emitted_by: The module or package that emits it.
        buckets: The key in `buckets.yaml`.
    """

    unit: str | None = None
    name: str | None = None
    names: tuple[str, ...] = ()
    emitted_by: str | None = None
    buckets: str | None = None


class Attribute(_Entry):
    """An attribute."""

    id: str
    type: Literal["string", "int", "double", "boolean", "string[]"] | Members
    stability: Stability
    brief: str
    examples: tuple[str | int, ...] = ()
    deprecated: Deprecation | None = None
    annotations: Annotations = Annotations()

    @property
    def type_name(self) -> str:
        """Its type in a word."""
        return self.type if isinstance(self.type, str) else "string"


class Reference(_Entry):
    """An attribute that a span, an event or a metric has."""

    ref: str
    requirement_level: (
        Literal["required", "recommended", "opt_in"] | dict[Literal["conditionally_required"], str]
    )

    @property
    def when(self) -> str:
        """When it is there, in words."""
        if isinstance(self.requirement_level, dict):
            return f"where {self.requirement_level['conditionally_required']}"
        return {"required": "always", "recommended": "where known", "opt_in": "on request"}[
            self.requirement_level
        ]


class _Group(_Entry):
    id: str
    brief: str
    annotations: Annotations = Annotations()


class AttributeGroup(_Group):
    """Attributes of one subject."""

    type: Literal["attribute_group"]
    attributes: tuple[Attribute, ...]


class Emitted(_Group):
    """What leaves a service, and the attributes it has."""

    stability: Stability
    attributes: tuple[Reference, ...] = ()


class Span(Emitted):
    """A kind of span."""

    type: Literal["span"]
    span_kind: Literal["producer", "consumer", "client", "server", "internal"]
    extends: str | None = None

    def is_named(self, name: str) -> bool:
        """Tell whether a span of this name may be one of this kind."""
        if self.annotations.names:
            return name in self.annotations.names
        words = (self.annotations.name or "").split(" ")
        # What is filled in may be missing, but for the first word.
        pattern = "".join(
            (r"\S+" if index == 0 else "( .+)?")
            if word.startswith("{")
            else re.escape(f" {word}" if index else word)
            for index, word in enumerate(words)
        )
        return re.fullmatch(pattern, name) is not None


class Event(Emitted):
    """A kind of event on a span."""

    type: Literal["event"]
    name: str


class Metric(Emitted):
    """A metric."""

    @property
    def series(self) -> dict[str, set[str]]:
        """Its series and the labels of each, as the Collector's Prometheus exporter names both."""
        name = self.metric_name.replace(".", "_") + {"s": "_seconds", "By": "_bytes"}.get(self.unit, "")
        labels = {one.ref.replace(".", "_") for one in self.attributes}
        if self.instrument == "histogram":
            return {
                name + suffix: labels | ({"le"} if suffix == "_bucket" else set()) for suffix in _SUFFIXES
            }
        if self.instrument == "counter":
            return {f"{name}_total": labels}
        return {f"{name}_ratio" if self.unit == "1" else name: labels}

    type: Literal["metric"]
    metric_name: str
    instrument: Literal["counter", "updowncounter", "histogram", "gauge"]
    unit: str
    deprecated: Deprecation | None = None


Group = Annotated[AttributeGroup | Span | Event | Metric, Discriminator("type")]


class Registry(_Entry):
    """All of it."""

    groups: tuple[Group, ...]
    buckets: dict[str, tuple[float, ...]] = Field(default_factory=dict)

    @property
    def attribute_groups(self) -> list[AttributeGroup]:
        """The attributes, by subject."""
        return [group for group in self.groups if isinstance(group, AttributeGroup)]

    @property
    def attributes(self) -> dict[str, Attribute]:
        """The attributes, by name."""
        return {one.id: one for group in self.attribute_groups for one in group.attributes}

    @property
    def spans(self) -> list[Span]:
        """The kinds of spans, each with the attributes of the one that it extends."""
        spans = [group for group in self.groups if isinstance(group, Span)]
        known = {span.id: span for span in spans}
        return [
            span.model_copy(update={"attributes": (*known[span.extends].attributes, *span.attributes)})
            if span.extends
            else span
            for span in spans
        ]

    @property
    def events(self) -> list[Event]:
        """The kinds of events."""
        return [group for group in self.groups if isinstance(group, Event)]

    @property
    def emitted(self) -> list[Emitted]:
        """Spans, events and metrics."""
        return [*self.spans, *self.events, *self.metrics]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics."""
        return [group for group in self.groups if isinstance(group, Metric)]


def load(model: Path = MODEL) -> Registry:
    """
    Read the model.

    Raises:
        SchemaError: an entry twice, or a reference to none.
        pydantic.ValidationError: an entry is not of the form.
    """
    groups: list[Any] = []
    buckets: dict[str, Any] = {}
    for path in sorted(model.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        groups += document.get("groups", [])
        buckets |= document.get("buckets", {})
    registry = TypeAdapter(Registry).validate_python({"groups": groups, "buckets": buckets})
    _check(registry)
    return registry


def _check(registry: Registry) -> None:
    ids = [group.id for group in registry.groups]
    ids += [one.id for group in registry.attribute_groups for one in group.attributes]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise SchemaError(f"{', '.join(twice)}: written twice")
    attributes = registry.attributes
    for group in registry.emitted:
        unknown = [one.ref for one in group.attributes if one.ref not in attributes]
        if unknown:
            raise SchemaError(f"{group.id} refers to {', '.join(unknown)}: write it down under attributes")
        if not group.annotations.emitted_by:
            raise SchemaError(f"{group.id}: say by `annotations.emitted_by` who emits it")
    for metric in registry.metrics:
        if metric.annotations.buckets and metric.annotations.buckets not in registry.buckets:
            raise SchemaError(f"{metric.id}: no buckets of the name {metric.annotations.buckets}")
    used = {one.ref for group in registry.emitted for one in group.attributes}
    idle = sorted(attributes.keys() - used - {"voxtrace.link.reason"})
    if idle:
        raise SchemaError(f"{', '.join(idle)}: no span, event or metric has it")
