"""What the engines of the services do, and what the translation cache spares one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chart
from promql import Query, failed, heat, mean, of, quantile, rate, share, total

if TYPE_CHECKING:
    from chart import Panel
    from stage import Stage

ENGINE = "gen_ai_client_operation_duration_seconds"
STEP = "speech_stage_duration_seconds"


def work(one: Stage) -> tuple[Panel, ...]:
    """What any engine does: how much, how long, how often it fails."""
    does = f'gen_ai_operation_name="{one.engine}"'
    model = "{{gen_ai_provider_name}} {{gen_ai_request_model}}"
    by = "gen_ai_provider_name, gen_ai_request_model"
    return (
        chart.lines(
            "Engine: rate and errors",
            "What the engine did per second, by engine and model, and what failed.",
            Query(rate(f"{ENGINE}_count", does, by=by), model),
            Query(failed(f"{ENGINE}_count", 'error_type!=""', does, by=by), f"failed {model}"),
            unit="ops",
            span=6,
        ),
        chart.lines(
            "Engine: duration",
            "Time the engine worked on one piece, without its caller's pauses.",
            Query(quantile(0.5, ENGINE, does, by=by), f"p50 {model}"),
            Query(quantile(0.95, ENGINE, does, by=by), f"p95 {model}", exemplars=True),
            unit="s",
            span=6,
        ),
        chart.heat(
            "Engine: durations",
            "How many pieces took how long.",
            Query(heat(ENGINE, does), "{{le}}"),
            unit="s",
            span=6,
        ),
        chart.lines(
            "Engine: work at a time",
            "Engines that work at the same moment, on average: near the number of workers there is "
            "no room left.",
            Query(rate("speech_usage_compute_time_seconds_total", does, by=by), model),
            unit="short",
            span=6,
        ),
    )


def listening() -> tuple[Panel, ...]:
    """What a speech recognizer does inside."""
    does = 'gen_ai_operation_name="speech_to_text"'
    return (
        chart.lines(
            "Steps of a transcription",
            "Mean duration of each step inside the engine.",
            Query(mean(STEP, does, by="speech_stage_name"), "{{speech_stage_name}}"),
            unit="s",
            span=6,
            stacked=True,
        ),
        chart.lines(
            "Real-time factor",
            "Engine time by audio time: above 1 the engine does not keep up with speech.",
            Query(quantile(0.5, "speech_real_time_factor", does), "p50"),
            Query(quantile(0.95, "speech_real_time_factor", does), "p95", exemplars=True),
            unit="short",
            span=6,
            bound=1,
        ),
        chart.lines(
            "Audio",
            "Seconds of audio that are transcribed per second.",
            Query(
                rate("speech_usage_audio_seconds_total", does, by="speech_asr_language"),
                "{{speech_asr_language}}",
            ),
            unit="short",
            span=6,
        ),
        chart.lines(
            "Models",
            "Models in memory, and how long their loading took.",
            Query(total("speech_model_loaded", by="gen_ai_request_model"), "loaded {{gen_ai_request_model}}"),
            Query(
                f"sum by (gen_ai_request_model) ({of('speech_model_load_duration_seconds_sum')}) / "
                f"sum by (gen_ai_request_model) ({of('speech_model_load_duration_seconds_count')})",
                "seconds to load {{gen_ai_request_model}}",
            ),
            unit="short",
            span=6,
        ),
    )


def speaking() -> tuple[Panel, ...]:
    """What a speech synthesizer does."""
    does = 'gen_ai_operation_name="text_to_speech"'
    return (
        chart.lines(
            "Real-time factor",
            "Engine time by the time of the speech that it made.",
            Query(quantile(0.5, "speech_real_time_factor", does), "p50"),
            Query(quantile(0.95, "speech_real_time_factor", does), "p95", exemplars=True),
            unit="short",
            bound=1,
        ),
        chart.lines(
            "Time to speak by length",
            "Mean time to speak a text, by its number of words.",
            Query(
                mean("speech_tts_duration_seconds", by="speech_tts_word_range"),
                "{{speech_tts_word_range}} words",
            ),
            unit="s",
        ),
        chart.lines(
            "Voices",
            "Voices that were used in the last five minutes.",
            Query(total("speech_tts_voices_active", by="gen_ai_provider_name"), "{{gen_ai_provider_name}}"),
            unit="short",
        ),
    )


def cache() -> tuple[Panel, ...]:
    """What the translation cache saves."""
    lookups = "speech_translation_cache_lookups_total"
    return (
        chart.lines(
            "Lookups",
            "Lookups per second by what they came to; 'unavailable' is a cache that did not answer.",
            Query(rate(lookups, by="speech_cache_result"), "{{speech_cache_result}}"),
            unit="ops",
            stacked=True,
        ),
        chart.lines(
            "Hits",
            "Part of the lookups that found a translation: each saves an engine's work.",
            Query(share(lookups, 'speech_cache_result="hit"'), "hits"),
            unit="percentunit",
        ),
        chart.lines(
            "Age of what was found",
            "Time since a translation that was found was made.",
            Query(quantile(0.5, "speech_translation_cache_age_seconds"), "p50"),
            Query(quantile(0.95, "speech_translation_cache_age_seconds"), "p95"),
            unit="s",
        ),
        chart.lines(
            "Entries",
            "Translations kept in the process; a cache outside of it counts its own.",
            Query(total("speech_translation_cache_entries", by="instance"), "{{instance}}"),
            unit="short",
            span=12,
        ),
        chart.lines(
            "Evictions",
            "Translations that made room for others, per second: many and few hits mean that the "
            "cache is too small.",
            Query(f"{rate('speech_translation_cache_evictions_total')} or {rate(lookups)} * 0", "evictions"),
            unit="ops",
            span=12,
        ),
    )
