"""The tracer and the histograms of one engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from voxtrace import semconv
from voxtrace._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider
    from opentelemetry.util.types import AttributeValue


@dataclass(frozen=True, slots=True)
class Instruments:
    """What an engine's spans and measurements are made with."""

    tracer: Tracer
    operation_duration: Histogram
    stage_duration: Histogram
    real_time_factor: Histogram
    audio_duration: Histogram

    @classmethod
    def create(
        cls,
        scope: str,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> Instruments:
        """Make the instruments of the scope, with the given providers or the global ones."""
        meter = metrics.get_meter(scope, __version__, meter_provider, semconv.SCHEMA_URL)
        return cls(
            tracer=trace.get_tracer(scope, __version__, tracer_provider, semconv.SCHEMA_URL),
            operation_duration=meter.create_histogram(
                semconv.METRIC_GEN_AI_OPERATION_DURATION,
                unit="s",
                description="Time the engine worked on one operation, without its caller's pauses.",
                explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS,
            ),
            stage_duration=meter.create_histogram(
                semconv.METRIC_STAGE_DURATION,
                unit="s",
                description="Duration of one step inside an engine.",
                explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS,
            ),
            real_time_factor=meter.create_histogram(
                semconv.SPEECH_REAL_TIME_FACTOR,
                unit="1",
                description="Engine time divided by audio time: below 1 is faster than real time.",
                explicit_bucket_boundaries_advisory=semconv.REAL_TIME_FACTOR_BUCKETS,
            ),
            audio_duration=meter.create_histogram(
                semconv.SPEECH_AUDIO_DURATION,
                unit="s",
                description="Duration of the audio that was transcribed or synthesized.",
                explicit_bucket_boundaries_advisory=semconv.AUDIO_DURATION_BUCKETS,
            ),
        )

    def record(
        self,
        labels: Mapping[str, AttributeValue],
        *,
        seconds: float,
        audio_seconds: float | None,
        error_type: str | None,
        context: Context,
    ) -> None:
        """Record one operation; a failed one has a duration but neither audio nor factor."""
        if error_type is not None:
            self.operation_duration.record(seconds, {**labels, semconv.ERROR_TYPE: error_type}, context)
            return
        self.operation_duration.record(seconds, labels, context)
        if audio_seconds:
            self.audio_duration.record(audio_seconds, labels, context)
            self.real_time_factor.record(seconds / audio_seconds, labels, context)
