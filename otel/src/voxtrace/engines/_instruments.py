"""The tracer and the histograms of one engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from voxtrace import semconv
from voxtrace._version import __version__
from voxtrace.quality import Thresholds, configured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, MeterProvider
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
    quality_flags: Counter
    thresholds: Thresholds

    @classmethod
    def create(
        cls,
        scope: str,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        thresholds: Thresholds | None = None,
    ) -> Instruments:
        """Make the instruments of the scope, by default those of the global providers and the environment."""
        meter = metrics.get_meter(scope, __version__, meter_provider, semconv.SCHEMA_URL)
        return cls(
            tracer=trace.get_tracer(scope, __version__, tracer_provider, semconv.SCHEMA_URL),
            operation_duration=semconv.METRIC_GEN_AI_CLIENT_OPERATION_DURATION.histogram(meter),
            stage_duration=semconv.METRIC_SPEECH_STAGE_DURATION.histogram(meter),
            real_time_factor=semconv.METRIC_SPEECH_REAL_TIME_FACTOR.histogram(meter),
            audio_duration=semconv.METRIC_SPEECH_AUDIO_DURATION.histogram(meter),
            quality_flags=semconv.METRIC_SPEECH_QUALITY_FLAGS.counter(meter),
            thresholds=configured() if thresholds is None else thresholds,
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
