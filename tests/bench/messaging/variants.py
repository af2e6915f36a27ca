"""What a program may have switched on: each variant is measured in a process of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import floor
from opentelemetry.instrumentation.pika import PikaInstrumentor as Upstream
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from voxtrace.messaging import PikaInstrumentor as Ours

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler


class Variant(StrEnum):
    """Who traces pika, and how much of it."""

    NONE = "none"
    UPSTREAM = "upstream"
    UPSTREAM_UNSAMPLED = "upstream-unsampled"
    FLOOR = "floor"
    TRACING = "tracing"
    WITHOUT_WAITS = "without-wait-spans"
    ALL_SIGNALS = "all-signals"
    UNSAMPLED = "unsampled"


def switch_on(variant: Variant) -> None:
    """
    Trace pika as `variant` says.

    Spans end in a processor that does nothing and measurements stay in memory: what an exporter costs is its
    own affair, and is the same per span for all.
    """
    match variant:
        case Variant.NONE:
            pass
        case Variant.UPSTREAM:
            Upstream().instrument(tracer_provider=_tracer_provider(ALWAYS_ON))
        case Variant.UPSTREAM_UNSAMPLED:
            Upstream().instrument(tracer_provider=_tracer_provider(ALWAYS_OFF))
        case Variant.FLOOR:
            floor.instrument(_tracer_provider(ALWAYS_ON))
        case Variant.TRACING:
            Ours().instrument(tracer_provider=_tracer_provider(ALWAYS_ON))
        case Variant.WITHOUT_WAITS:
            Ours().instrument(tracer_provider=_tracer_provider(ALWAYS_ON), wait_spans=False)
        case Variant.ALL_SIGNALS:
            meter_provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
            Ours().instrument(tracer_provider=_tracer_provider(ALWAYS_ON), meter_provider=meter_provider)
        case Variant.UNSAMPLED:
            Ours().instrument(tracer_provider=_tracer_provider(ALWAYS_OFF))


def _tracer_provider(root: Sampler) -> TracerProvider:
    provider = TracerProvider(sampler=ParentBased(root), shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    return provider
