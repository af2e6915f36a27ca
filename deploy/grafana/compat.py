"""
The home-made monitors of docs/migration.md, panel by panel, on the old names that compat.yaml records.

A recorded series has no exemplars; the other dashboards have them.
"""

from __future__ import annotations

import chart
from board import Board
from promql import Query, mean, of, quantile, rate, total

INSTANCE = "{{instance}}"


def board() -> Board:
    """Return the dashboard."""
    return (
        Board(
            "voxtrace-compat",
            "Former monitors",
            "What a monitor of your own showed, under the names it had: docs/migration.md says what "
            "each is now.",
            source="audio_uploads_total",
        )
        .row("Audio pipelines", *_pipelines())
        .row("Whisper APIs", *_whisper())
        .row("A counter, a histogram and an error counter per service", *_services())
        .row("Jobs", *_jobs())
        .row("TTS APIs", *_speech())
    )


def _counts(title: str, description: str, *counters: str) -> chart.Panel:
    return chart.lines(title, description, *(Query(rate(one), one) for one in counters), unit="ops", span=6)


def _durations(title: str, description: str, histogram: str) -> chart.Panel:
    return chart.lines(
        title,
        description,
        Query(quantile(0.5, histogram), "p50"),
        Query(quantile(0.95, histogram), "p95"),
        Query(mean(histogram), "mean"),
        unit="s",
        span=6,
    )


def _gauge(title: str, description: str, query: Query, unit: str) -> chart.Panel:
    return chart.lines(title, description, query, unit=unit, span=6)


def _pipelines() -> tuple[chart.Panel, ...]:
    return (
        _counts("Uploads", "Uploads whose audio could be read.", "audio_uploads_total"),
        _durations("Upload duration", "POST /v1/uploads.", "audio_upload_duration_seconds"),
        _counts(
            "Requests of the stages",
            "Work of the engines.",
            "asr_requests_total",
            "translation_requests_total",
        ),
        _durations("ASR duration", "Time that Whisper worked.", "asr_processing_duration_seconds"),
        _durations(
            "Translation duration",
            "Time that the engine worked; none of what the cache had.",
            "translation_duration_seconds",
        ),
        _durations("End to end", "From the upload to the news of its end.", "end_to_end_duration_seconds"),
        chart.lines(
            "Errors",
            "Messages that failed, requests answered by 4xx and 5xx, and errors that were recorded "
            "by hand; 'none' is 0.",
            Query(rate("errors_total", by="service, type"), "{{service}} {{type}}"),
            unit="ops",
            span=6,
        ),
        _gauge("Memory", "Of each process.", Query(of("memory_usage_bytes"), "{{job}} " + INSTANCE), "bytes"),
        _gauge("CPU", "Of all cores.", Query(of("cpu_usage_percent"), "{{job}} " + INSTANCE), "percent"),
        _gauge(
            "Queue size", "Messages ready and unsettled.", Query("rabbitmq_queue_size", "{{queue}}"), "short"
        ),
        _gauge(
            "Tasks",
            "Jobs by state; those that ended are all there ever were.",
            Query(total("audio_processing_tasks", by="status"), "{{status}}"),
            "short",
        ),
        _gauge(
            "Cache hit ratio",
            "Hits by hits and misses, since the start.",
            Query(of("cache_hit_ratio"), INSTANCE),
            "percentunit",
        ),
    )


def _whisper() -> tuple[chart.Panel, ...]:
    name = "whisper_transcription"
    return (
        _counts("Transcriptions", "And those that failed.", f"{name}_requests_total", f"{name}_errors_total"),
        _durations("Transcription duration", "Time that Whisper worked.", f"{name}_duration_seconds"),
        _durations("Audio load", "Reading and resampling.", "whisper_audio_load_duration_seconds"),
        _durations(
            "Processing",
            "Voice activity, features, language: each run.",
            "whisper_processing_duration_seconds",
        ),
        _durations(
            "Inference",
            "Encode and decode: each run, one of each per window.",
            "whisper_inference_duration_seconds",
        ),
        _durations("Decode", "Each attempt.", "whisper_decode_duration_seconds"),
        _gauge(
            "Models loaded",
            "How many are in memory.",
            Query(total("whisper_model_loaded"), "models"),
            "short",
        ),
    )


def _services() -> tuple[chart.Panel, ...]:
    return (
        _counts(
            "Gateway requests",
            "And those answered by 4xx and 5xx.",
            "gateway_requests_total",
            "gateway_errors_total",
        ),
        _durations("Gateway duration", "Of requests.", "gateway_processing_seconds"),
        _counts("ASR errors", "Messages whose processing failed.", "asr_errors_total"),
        _durations("ASR processing", "From delivery to settlement, each attempt.", "asr_processing_seconds"),
        _counts("Translation errors", "Messages whose processing failed.", "translation_errors_total"),
        _durations(
            "Translation processing",
            "From delivery to settlement, each attempt.",
            "translation_processing_seconds",
        ),
        _counts(
            "Synthesis requests",
            "And messages that failed.",
            "synthesis_requests_total",
            "synthesis_errors_total",
        ),
        _durations(
            "Synthesis processing",
            "From delivery to settlement, each attempt.",
            "synthesis_processing_seconds",
        ),
    )


def _jobs() -> tuple[chart.Panel, ...]:
    histogram = "pipeline_audio_processing_seconds"
    return (
        chart.lines(
            "Audio processing",
            "Duration of jobs, by whether they succeeded.",
            Query(quantile(0.95, histogram, by="success"), "p95 success={{success}}"),
            Query(mean(histogram, by="success"), "mean success={{success}}"),
            unit="s",
            span=6,
        ),
        _gauge(
            "CPU of all services", "Of all cores.", Query("pipeline_system_cpu_percent", "CPU"), "percent"
        ),
        _counts("Jobs completed", "Per second.", "jobs_completed_total"),
        _gauge("Active jobs", "Accepted and running.", Query(total("active_jobs"), "jobs"), "short"),
    )


def _speech() -> tuple[chart.Panel, ...]:
    words, characters = "tts_word_count_duration_seconds", "tts_character_count_duration_seconds"
    return (
        chart.lines(
            "Requests",
            "Syntheses by voice, language and how they went: 200 or 500.",
            Query(
                rate("tts_requests_total", by="voice_name, language, status_code"),
                "{{voice_name}} {{language}} {{status_code}}",
            ),
            unit="ops",
            span=6,
        ),
        _durations("Request duration", "Time that the engine worked.", "tts_request_duration_seconds"),
        _counts("Errors", "Syntheses that failed.", "tts_errors_total"),
        chart.heat(
            "Duration by words",
            "A row for each range of words, the brighter the longer it took on average.",
            Query(mean(words, by="word_count_range"), "{{word_count_range}}"),
            unit="s",
            span=6,
            rows=True,
        ),
        chart.lines(
            "Duration by words and voice",
            "95 of 100 are faster.",
            Query(
                quantile(0.95, words, by="word_count_range, voice_name"),
                "{{voice_name}} {{word_count_range}}",
            ),
            unit="s",
            span=6,
        ),
        chart.lines(
            "Duration by characters and voice",
            "95 of 100 are faster.",
            Query(
                quantile(0.95, characters, by="character_count_range, voice_name"),
                "{{voice_name}} {{character_count_range}}",
            ),
            Query(mean(characters, by="character_count_range"), "mean {{character_count_range}}"),
            unit="s",
            span=6,
        ),
        _gauge(
            "Active voices",
            "Used in the last five minutes.",
            Query(total("tts_active_voices"), "voices"),
            "short",
        ),
        _gauge(
            "Memory",
            "Of the synthesis service.",
            Query(of("tts_system_memory_usage_bytes"), INSTANCE),
            "bytes",
        ),
        _gauge("CPU", "Of all cores.", Query(of("tts_system_cpu_usage_percent"), INSTANCE), "percent"),
        chart.lines(
            "Model load",
            "Loads, and the seconds they took; 0 for an engine that is a program and loads nothing for good.",
            Query(total("tts_model_load_time_seconds_count"), "loads"),
            Query(total("tts_model_load_time_seconds_sum"), "seconds"),
            Query(total("tts_model_load_time_seconds_bucket", 'le="+Inf"'), "all buckets"),
            unit="short",
            span=6,
        ),
    )
