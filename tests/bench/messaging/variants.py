"""What a program may have switched on: each variant is measured in a process of its own."""

from __future__ import annotations

from enum import StrEnum

import floor
from opentelemetry.instrumentation.pika import PikaInstrumentor as Upstream
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from voxtrace.messaging import PikaInstrumentor as Ours


class Variant(StrEnum):
    """Who traces pika, and how much of it."""

    NONE = "none"
    UPSTREAM = "upstream"
    UPSTREAM_UNSAMPLED = "upstream-unsampled"
    FLOOR = "floor"
    FLOOR_MEASURED = "floor-measured"
    FLOOR_UNSAMPLED = "floor-unsampled"
    TRACING = "tracing"
    WITHOUT_WAITS = "without-wait-spans"
    ALL_SIGNALS = "all-signals"
    UNSAMPLED = "unsampled"


NOT_SAMPLED = {Variant.UPSTREAM_UNSAMPLED, Variant.FLOOR_UNSAMPLED, Variant.UNSAMPLED}


def switch_on(variant: Variant) -> None:
    """
    Trace pika as `variant` says.

    Spans end in a processor that does nothing and measurements stay in memory: what an exporter costs is its
    own affair, and is the same per span for all.
    """
    match variant:
        case Variant.NONE:
            pass
        case Variant.UPSTREAM | Variant.UPSTREAM_UNSAMPLED:
            Upstream().instrument(tracer_provider=_tracer_provider(variant))
        case Variant.FLOOR | Variant.FLOOR_UNSAMPLED:
            floor.instrument(_tracer_provider(variant))
        case Variant.FLOOR_MEASURED:
            floor.instrument(_tracer_provider(variant), _meter_provider())
        case Variant.TRACING | Variant.UNSAMPLED:
            Ours().instrument(tracer_provider=_tracer_provider(variant))
        case Variant.WITHOUT_WAITS:
            Ours().instrument(tracer_provider=_tracer_provider(variant), wait_spans=False)
        case Variant.ALL_SIGNALS:
            Ours().instrument(tracer_provider=_tracer_provider(variant), meter_provider=_meter_provider())


def _tracer_provider(variant: Variant) -> TracerProvider:
    root = ALWAYS_OFF if variant in NOT_SAMPLED else ALWAYS_ON
    provider = TracerProvider(sampler=ParentBased(root), shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    return provider


def _meter_provider() -> MeterProvider:
    return MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
