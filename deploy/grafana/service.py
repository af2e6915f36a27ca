"""One dashboard per service: its stages, its engine, its messages, its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chart
import stage
from board import Board
from promql import SAMPLED, SPANS, Query, failed, heat, mean, of, quantile, rate, share, total
from stage import ASR, ERROR, GATEWAY, OUTCOME, SYNTHESIS, TRANSLATION, Stage

if TYPE_CHECKING:
    from chart import Panel

ENGINE = "gen_ai_client_operation_duration_seconds"
STEP = "speech_stage_duration_seconds"
PROCESSED = "messaging_process_duration_seconds_count"
FAILED = 'error_type!=""'
REFUSED = 'http_response_status_code=~"4.."'
BROKEN = 'http_response_status_code=~"5.."'


def boards() -> list[Board]:
    """Return the four dashboards."""
    return [
        _board("gateway", "Takes uploads, relays jobs, hears their outcome.", GATEWAY, OUTCOME)
        .row("Requests", *_requests())
        .row("Jobs", *_jobs()),
        _board("asr", "Transcribes.", ASR).row("Engine", *_engine(ASR), *_listening()),
        _board("translation", "Translates, or finds the translation in its cache.", TRANSLATION)
        .row("Engine", *_engine(TRANSLATION))
        .row("Cache", *_cache()),
        _board("synthesis", "Speaks.", SYNTHESIS).row("Engine", *_engine(SYNTHESIS), *_speaking()),
    ]


def _board(name: str, description: str, *stages: Stage) -> Board:
    made = Board(
        f"voxtrace-{name}",
        f"Service {name}",
        f"{description} With its queue, its engine, its messages and its process.",
        # With a namespace, the job is namespace/service.
        source=f'{{__name__=~"target_info|rabbitmq_detailed_.+", job=~"(.+/)?{name}|rabbitmq-queues"}}',
    )
    for one in stages:
        queued = (stage.wait(one), stage.depth(one)) if one.queue else (_warmth(one),)
        made.row(one.title, stage.throughput(one), stage.duration(one), *queued)
    return made.row("Spans", *_spans(name)).row("Messages", *_messages(name)).row("Process", *_process(name))


def _own(name: str) -> str:
    return f'job=~"(.+/)?{name}"'


def _warmth(one: Stage) -> Panel:
    return chart.heat(
        f"{one.title}: durations",
        f"How many executions of '{one.span}' took how long.",
        Query(
            f"{heat(f'{SPANS}_duration_seconds', *one.matchers)} or "
            f"{heat(f'{SAMPLED}_duration_seconds', *one.matchers)}",
            "{{le}}",
            exemplars=True,
        ),
        unit="s",
    )


def _spans(name: str) -> tuple[Panel, ...]:
    own = f'service_name="{name}"'
    return (
        chart.lines(
            "Spans by name",
            "Every kind of span of the service, per second: requests, waits, messages, the engine's steps.",
            Query(rate(f"{SPANS}_calls_total", own, by="span_name"), "{{span_name}}"),
            unit="ops",
        ),
        chart.lines(
            "Errors by span",
            "Spans that ended in an error, per second.",
            Query(failed(f"{SPANS}_calls_total", ERROR, own, by="span_name"), "{{span_name}}"),
            unit="ops",
        ),
        chart.lines(
            "Where the time goes",
            "Seconds that each kind of span takes per second: the tallest is where an optimization pays.",
            Query(rate(f"{SPANS}_duration_seconds_sum", own, by="span_name"), "{{span_name}}"),
            unit="short",
            stacked=True,
        ),
    )


def _messages(name: str) -> tuple[Panel, ...]:
    own = _own(name)
    return (
        chart.lines(
            "Published",
            "Messages sent, by where to; retries and dead letters are exchanges of their own.",
            Query(
                rate("messaging_client_sent_messages_total", own, by="messaging_destination_name"),
                "{{messaging_destination_name}}",
            ),
            unit="ops",
        ),
        chart.lines(
            "Publish and settle",
            "Time to the broker's confirm, and of settling; a slow broker shows here first.",
            Query(
                quantile(
                    0.95, "messaging_client_operation_duration_seconds", own, by="messaging_operation_name"
                ),
                "p95 {{messaging_operation_name}}",
            ),
            unit="s",
        ),
        chart.lines(
            "Processed",
            "Messages that were processed, and those whose processing failed by the type of error.",
            Query(rate(PROCESSED, own), "all"),
            Query(
                f"{rate(PROCESSED, FAILED, own, by='error_type')} or {rate(PROCESSED, own)} * 0",
                "failed {{error_type}}",
            ),
            unit="ops",
        ),
    )


def _process(name: str) -> tuple[Panel, ...]:
    own = _own(name)
    each = "{{instance}}"
    return (
        chart.lines(
            "CPU",
            "Part of the processors it may use that each instance uses.",
            Query(of("instance:cpu:ratio5m", own), each),
            unit="percentunit",
            span=6,
            bound=0.8,
        ),
        chart.lines(
            "Memory",
            "Physical memory of each instance.",
            Query(of("process_memory_usage_bytes", own), each),
            unit="bytes",
            span=6,
        ),
        chart.lines(
            "Threads and files",
            "Threads, and open file descriptors: what only ever rises is a leak.",
            Query(of("process_thread_count", own), "threads " + each),
            Query(of("process_open_file_descriptor_count", own), "files " + each),
            unit="short",
            span=6,
        ),
        chart.lines(
            "Telemetry",
            "Spans handed to the exporter, and those it delivered: a gap that stays is telemetry lost.",
            Query(rate("otel_sdk_processor_span_processed_total", own), "handed over"),
            Query(rate("otel_sdk_exporter_span_exported_total", own), "delivered"),
            unit="ops",
            span=6,
        ),
    )


def _requests() -> tuple[Panel, ...]:
    by = "http_request_method, http_route"
    own = _own("gateway")
    return (
        chart.lines(
            "Requests",
            "Requests per second by route and status.",
            Query(
                rate(
                    "http_server_request_duration_seconds_count", own, by=f"{by}, http_response_status_code"
                ),
                "{{http_request_method}} {{http_route}} {{http_response_status_code}}",
            ),
            unit="reqps",
        ),
        chart.lines(
            "Refused and failed",
            "Part of the requests that were answered by 4xx (the caller's fault) and 5xx (ours).",
            Query(share("http_server_request_duration_seconds_count", REFUSED, own), "4xx"),
            Query(share("http_server_request_duration_seconds_count", BROKEN, own), "5xx"),
            unit="percentunit",
        ),
        chart.lines(
            "Duration by route",
            "95 of 100 requests are faster.",
            Query(
                quantile(0.95, "http_server_request_duration_seconds", own, by=by),
                "{{http_request_method}} {{http_route}}",
                exemplars=True,
            ),
            unit="s",
        ),
        chart.lines(
            "Requests in hand",
            "Requests that are being answered.",
            Query(
                total("http_server_active_requests", own, by="http_request_method"), "{{http_request_method}}"
            ),
            unit="short",
            span=6,
        ),
        chart.lines(
            "Request and answer size",
            "95 of 100 are smaller.",
            Query(quantile(0.95, "http_server_request_body_size_bytes", own), "request"),
            Query(quantile(0.95, "http_server_response_body_size_bytes", own), "answer"),
            unit="bytes",
            span=6,
        ),
        chart.lines(
            "Recordings by container",
            "Uploaded recordings that could be read, per second.",
            Query(
                rate("speech_audio_size_bytes_count", own, by="speech_audio_container"),
                "{{speech_audio_container}}",
            ),
            unit="ops",
            span=6,
        ),
        chart.heat(
            "Size of recordings",
            "How many uploaded recordings had which size.",
            Query(heat("speech_audio_size_bytes", own), "{{le}}"),
            unit="bytes",
            span=6,
        ),
    )


def _jobs() -> tuple[Panel, ...]:
    own = _own("gateway")
    return (
        chart.lines(
            "Jobs in work",
            "Accepted jobs wait for their first message to leave, running ones for a worker.",
            Query(
                total("speech_jobs", own, 'speech_job_state=~"accepted|running"', by="speech_job_state"),
                "{{speech_job_state}}",
            ),
            unit="short",
            span=6,
            stacked=True,
        ),
        chart.lines(
            "Oldest job",
            "Time since the oldest unfinished job was taken in: a job that is stuck shows here.",
            Query(f"max by (speech_job_state) ({of('speech_job_age_seconds', own)})", "{{speech_job_state}}"),
            unit="s",
            span=6,
            bound=1800,
        ),
        chart.lines(
            "Jobs that ended",
            "Jobs that ended per second, by how.",
            Query(
                rate("speech_job_duration_seconds_count", own, by="speech_job_outcome"),
                "{{speech_job_outcome}}",
            ),
            unit="ops",
            span=6,
            stacked=True,
        ),
        chart.lines(
            "Failed jobs by stage",
            "In which stage jobs failed.",
            Query(
                failed(
                    "speech_job_duration_seconds_count",
                    'speech_job_outcome="failed"',
                    own,
                    by="speech_job_failed_stage",
                ),
                "{{speech_job_failed_stage}}",
            ),
            unit="ops",
            span=6,
        ),
    )


def _engine(one: Stage) -> tuple[Panel, ...]:
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


def _listening() -> tuple[Panel, ...]:
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


def _speaking() -> tuple[Panel, ...]:
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


def _cache() -> tuple[Panel, ...]:
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
