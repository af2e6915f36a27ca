"""One dashboard per service: its stages, its engine, its messages, its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chart
import engine
import stage
from board import Board
from promql import SAMPLED, SPANS, Query, failed, heat, of, quantile, rate, share, total
from stage import ASR, ERROR, GATEWAY, OUTCOME, SYNTHESIS, TRANSLATION, Stage

if TYPE_CHECKING:
    from chart import Panel

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
        _board("asr", "Transcribes.", ASR).row("Engine", *engine.work(ASR), *engine.listening()),
        _board("translation", "Translates, or finds the translation in its cache.", TRANSLATION)
        .row("Engine", *engine.work(TRANSLATION))
        .row("Cache", *engine.cache()),
        _board("synthesis", "Speaks.", SYNTHESIS).row("Engine", *engine.work(SYNTHESIS), *engine.speaking()),
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
