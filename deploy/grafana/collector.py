"""The Collector about itself: what it takes, drops, owes and sends."""

from __future__ import annotations

import chart
from board import Board
from promql import Query, of, rate, total

SIGNALS = ("spans", "metric_points", "log_records")


def board() -> Board:
    """Return the dashboard."""
    return (
        Board(
            "voxtrace-collector",
            "Collector",
            "What the Collector received, refused, queued, sent and failed to send; telemetry that "
            "services lost before it.",
            source="otelcol_process_uptime",
        )
        .row("In", *_received())
        .row("Out", *_sent())
        .row("Queues", *_queued())
        .row("Sampling", *_sampled())
        .row("Process", *_process())
        .row("Before it: the services", *_services())
        .row("After it: Prometheus", *_scraped())
    )


def _received() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "Accepted",
            "Spans, metric points and log records taken per second.",
            *(
                Query(rate(f"otelcol_receiver_accepted_{one}", by="receiver"), f"{one} {{{{receiver}}}}")
                for one in SIGNALS
            ),
            unit="ops",
        ),
        chart.lines(
            "Refused",
            "Turned away since memory was short: senders come back with them, and lose what they "
            "cannot keep.",
            *(
                Query(rate(f"otelcol_receiver_refused_{one}", by="receiver"), f"{one} {{{{receiver}}}}")
                for one in SIGNALS
            ),
            unit="ops",
        ),
        chart.lines(
            "Processors",
            "Items into and out of each processor: less out than in is sampling, or a filter.",
            Query(
                rate("otelcol_processor_incoming_items", by="processor, otel_signal"),
                "into {{processor}} {{otel_signal}}",
            ),
            Query(
                rate("otelcol_processor_outgoing_items", by="processor, otel_signal"),
                "out of {{processor}} {{otel_signal}}",
            ),
            unit="ops",
        ),
    )


def _sent() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "Sent",
            "Delivered to each back end per second.",
            *(
                Query(rate(f"otelcol_exporter_sent_{one}", by="exporter"), f"{one} {{{{exporter}}}}")
                for one in SIGNALS
            ),
            unit="ops",
        ),
        chart.lines(
            "Failed to send",
            "Given up: what a back end refused for good. What is only late waits in the queue.",
            *(_lost("send_failed", one) for one in SIGNALS),
            unit="ops",
        ),
        chart.lines(
            "Not queued",
            "Lost since the queue was full.",
            *(_lost("enqueue_failed", one) for one in SIGNALS),
            unit="ops",
        ),
    )


def _lost(how: str, signal: str) -> Query:
    """What exporters lost of a signal; 0 where they lost nothing, of those that send it."""
    return Query(
        f"{rate(f'otelcol_exporter_{how}_{signal}', by='exporter')} or "
        f"{rate(f'otelcol_exporter_sent_{signal}', by='exporter')} * 0",
        f"{signal} {{{{exporter}}}}",
    )


def _queued() -> tuple[chart.Panel, ...]:
    by = "exporter, data_type"
    name = "{{exporter}} {{data_type}}"
    return (
        chart.lines(
            "Queue",
            "What each back end is still owed, in bytes; on disk, so it outlives the Collector.",
            Query(total("otelcol_exporter_queue_size", by=by), name),
            unit="bytes",
        ),
        chart.lines(
            "Queue, part of its room",
            "At 1 telemetry is lost.",
            Query(
                f"{total('otelcol_exporter_queue_size', by=by)} / "
                f"{total('otelcol_exporter_queue_capacity', by=by)}",
                name,
            ),
            unit="percentunit",
            bound=0.8,
        ),
        chart.lines(
            "Requests under way",
            "Requests to each back end that have no answer yet: many are a slow back end.",
            Query(total("otelcol_exporter_in_flight_requests", by="exporter"), "{{exporter}}"),
            unit="short",
        ),
    )


def _sampled() -> tuple[chart.Panel, ...]:
    own = "otelcol_processor_tail_sampling"
    nothing = "the Collector keeps all: VOXTRACE_SAMPLING_PERCENT is not set"
    return (
        chart.lines(
            "Traces by decision",
            "Traces that were kept and let go per second. Rate, errors and duration count them all.",
            Query(rate(f"{own}_global_count_traces_sampled", by="decision"), "{{decision}}"),
            unit="ops",
            span=6,
            nothing=nothing,
        ),
        chart.lines(
            "Kept, by reason",
            "Traces that each policy kept per second; 'rest' is the share of what nothing was wrong with.",
            Query(rate(f"{own}_count_traces_sampled", 'decision="sampled"', by="policy"), "{{policy}}"),
            unit="ops",
            span=6,
            stacked=True,
            nothing=nothing,
        ),
        chart.lines(
            "Traces that wait for a decision",
            "Traces in memory: near VOXTRACE_SAMPLING_TRACES the oldest are decided too early.",
            Query(total(f"{own}_sampling_traces_on_memory", by="instance"), "{{instance}}"),
            unit="short",
            span=6,
            nothing=nothing,
        ),
        chart.lines(
            "Decided too early, or wrongly",
            "Traces that went before their time for lack of room, and policies that could not be asked.",
            Query(rate(f"{own}_sampling_trace_dropped_too_early"), "too early"),
            Query(rate(f"{own}_sampling_policy_evaluation_error"), "policy failed"),
            unit="ops",
            span=6,
            nothing=nothing,
        ),
    )


def _process() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "Memory",
            "Physical memory of each Collector, and its heap.",
            Query(of("otelcol_process_memory_rss"), "{{instance}}"),
            Query(of("otelcol_process_runtime_heap_alloc_bytes"), "heap {{instance}}"),
            unit="bytes",
        ),
        chart.lines(
            "CPU",
            "Cores that each Collector uses.",
            Query(rate("otelcol_process_cpu_seconds", by="instance"), "{{instance}}"),
            unit="short",
        ),
        chart.lines(
            "Uptime",
            "Seconds since the start; back to 0 is a restart.",
            Query(of("otelcol_process_uptime"), "{{instance}}"),
            unit="s",
        ),
    )


def _services() -> tuple[chart.Panel, ...]:
    # These are the services', whichever Collector is chosen.
    every = '{job=~".+"}'
    return (
        chart.lines(
            "Spans delivered",
            "Spans that each service started to export, and those that arrived.",
            Query(
                f"sum by (job) (rate(otel_sdk_processor_span_processed_total{every}[$__rate_interval]))",
                "from {{job}}",
            ),
            Query(
                f"sum by (job) (rate(otel_sdk_exporter_span_exported_total{every}[$__rate_interval]))",
                "delivered by {{job}}",
            ),
            unit="ops",
            span=12,
        ),
        chart.lines(
            "Spans waiting in services",
            "Spans that have ended and are not on their way yet.",
            Query(f"sum by (job) (otel_sdk_processor_span_queue_size{every})", "{{job}}"),
            unit="short",
            span=12,
        ),
    )


def _scraped() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "Targets",
            "1 where Prometheus reaches what it scrapes.",
            Query('min by (job) (up{job=~".+"})', "{{job}}"),
            unit="short",
            span=12,
        ),
        chart.lines(
            "Samples",
            "Samples per scrape of each target: a jump is a label with too many values.",
            Query('sum by (job) (scrape_samples_scraped{job=~".+"})', "{{job}}"),
            unit="short",
            span=12,
        ),
    )
