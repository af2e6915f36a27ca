"""The tracer and the metrics of one engine, or of stages traced by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from voxtrace import semconv
from voxtrace._version import __version__
from voxtrace.quality import configured
from voxtrace.stages.series import bounded
from voxtrace.stages.voices import voices_of

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from voxtrace.quality import Thresholds
    from voxtrace.stages.series import Record
    from voxtrace.stages.voices import Voices


@dataclass(frozen=True, slots=True)
class Instruments:
    """What spans and measurements of speech work are made with."""

    tracer: Tracer
    operation_duration: Record
    stage_duration: Record
    real_time_factor: Record
    audio_duration: Record
    audio_size: Record
    model_load_duration: Record
    models_loaded: Record
    words: Record
    characters: Record
    segments: Record
    language_probability: Record
    language_mismatches: Record
    time_to_first_audio: Record
    synthesis_duration: Record
    errors: Record
    usage_audio: Record
    usage_characters: Record
    usage_compute: Record
    usage_cost: Record
    quality_flags: Record
    voices: Voices
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
        voices = voices_of(scope)
        semconv.METRIC_SPEECH_TTS_VOICES_ACTIVE.observable_gauge(meter, voices.observe)
        return cls(
            tracer=trace.get_tracer(scope, __version__, tracer_provider, semconv.SCHEMA_URL),
            operation_duration=bounded(
                semconv.METRIC_GEN_AI_CLIENT_OPERATION_DURATION.histogram(meter).record
            ),
            # A model has some eight stages.
            stage_duration=bounded(semconv.METRIC_SPEECH_STAGE_DURATION.histogram(meter).record),
            real_time_factor=bounded(semconv.METRIC_SPEECH_REAL_TIME_FACTOR.histogram(meter).record),
            audio_duration=bounded(semconv.METRIC_SPEECH_AUDIO_DURATION.histogram(meter).record),
            audio_size=bounded(semconv.METRIC_SPEECH_AUDIO_SIZE.histogram(meter).record),
            model_load_duration=bounded(semconv.METRIC_SPEECH_MODEL_LOAD_DURATION.histogram(meter).record),
            models_loaded=bounded(semconv.METRIC_SPEECH_MODEL_LOADED.up_down_counter(meter).add),
            words=bounded(semconv.METRIC_SPEECH_WORDS.counter(meter).add),
            characters=bounded(semconv.METRIC_SPEECH_CHARACTERS.counter(meter).add),
            segments=bounded(semconv.METRIC_SPEECH_SEGMENTS.counter(meter).add),
            language_probability=bounded(semconv.METRIC_SPEECH_LANGUAGE_PROBABILITY.histogram(meter).record),
            language_mismatches=bounded(semconv.METRIC_SPEECH_LANGUAGE_MISMATCHES.counter(meter).add),
            time_to_first_audio=bounded(
                semconv.METRIC_SPEECH_TTS_TIME_TO_FIRST_AUDIO.histogram(meter).record
            ),
            synthesis_duration=bounded(semconv.METRIC_SPEECH_TTS_DURATION.histogram(meter).record),
            errors=bounded(semconv.METRIC_SPEECH_ERRORS.counter(meter).add),
            usage_audio=bounded(semconv.METRIC_SPEECH_USAGE_AUDIO.counter(meter).add),
            usage_characters=bounded(semconv.METRIC_SPEECH_USAGE_CHARACTERS.counter(meter).add),
            usage_compute=bounded(semconv.METRIC_SPEECH_USAGE_COMPUTE_TIME.counter(meter).add),
            usage_cost=bounded(semconv.METRIC_SPEECH_USAGE_COST.counter(meter).add),
            quality_flags=bounded(semconv.METRIC_SPEECH_QUALITY_FLAGS.counter(meter).add),
            voices=voices,
            thresholds=configured() if thresholds is None else thresholds,
        )
