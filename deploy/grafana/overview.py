"""The pipeline on one page: end to end, then each stage in the order of the data."""

from __future__ import annotations

import chart
import stage
from board import Board, link
from promql import Query, of, quantile, rate, share, total
from stage import GATEWAY, OUTCOME, STAGES

#: Of every job that the overview shows: services, Collector and broker.
SOURCE = '{__name__=~"target_info|rabbitmq_detailed_queue_messages"}'


def board() -> Board:
    """Return the dashboard."""
    made = Board(
        "voxtrace-overview",
        "Pipeline",
        "Rate, errors and duration of each stage in the order of the data, end to end, and what "
        "waits between them.",
        source=SOURCE,
    )
    made.row(
        "End to end",
        chart.number(
            "Uploads",
            "Jobs that came to their end, per second.",
            Query(rate("speech_job_duration_seconds_count"), "jobs"),
            span=3,
            unit="ops",
        ),
        chart.number(
            "Failed",
            "Part of the jobs that failed.",
            Query(share("speech_job_duration_seconds_count", 'speech_job_outcome="failed"'), "failed"),
            span=3,
            unit="percentunit",
            bound=0.05,
        ),
        chart.number(
            "p95 end to end",
            "From the upload to the news of its end, 95 of 100 jobs are faster.",
            Query(quantile(0.95, "speech_job_duration_seconds"), "p95"),
            span=3,
            unit="s",
        ),
        chart.number(
            "In work",
            "Jobs that were taken in and have not ended.",
            Query(total("speech_jobs", 'speech_job_state=~"accepted|running"'), "jobs"),
            span=3,
            unit="short",
        ),
        chart.number(
            "Oldest job",
            "Time since the oldest unfinished job was taken in.",
            Query(f"max({of('speech_job_age_seconds')})", "oldest"),
            span=3,
            unit="s",
            bound=1800,
        ),
        chart.number(
            "Dead letters",
            "Messages that nobody could process, kept with their reason.",
            Query(total("rabbitmq_detailed_queue_messages", 'queue="speech.dead"'), "messages"),
            span=3,
            unit="short",
            bound=1,
        ),
        chart.number(
            "Alerts",
            "Alerts that are firing.",
            Query('count(ALERTS{alertstate="firing"}) or vector(0)', "alerts", last=True),
            span=3,
            unit="short",
            bound=1,
        ),
        chart.number(
            "Budget left",
            "Of the objective that is worst off, the part of its error budget of 30 days that is left.",
            Query("min(slo:period_error_budget_remaining:ratio)", "least"),
            unit="percentunit",
            span=3,
            low=0,
        ),
        chart.lines(
            "End to end: duration",
            "From the upload to the news of its end, of completed and failed jobs alike.",
            Query(quantile(0.5, "speech_job_duration_seconds"), "p50"),
            Query(quantile(0.95, "speech_job_duration_seconds"), "p95", exemplars=True),
            Query(quantile(0.99, "speech_job_duration_seconds"), "p99"),
            unit="s",
            span=12,
        ),
        chart.lines(
            "End to end: outcome",
            "Jobs that ended, by how they did.",
            Query(
                rate("speech_job_duration_seconds_count", by="speech_job_outcome"), "{{speech_job_outcome}}"
            ),
            unit="ops",
            span=12,
            stacked=True,
        ),
    )
    for one in STAGES:
        made.row(
            one.title,
            *(
                (stage.throughput(one), stage.duration(one), stage.wait(one), stage.depth(one))
                if one.queue
                else (stage.throughput(one), stage.duration(one), _requests())
            ),
            links=(link(f"voxtrace-{one.service}", f"More of the {one.service} service"),),
        )
    made.row(
        "All queues",
        chart.lines(
            "Wait",
            "Time from a message's sending to its delivery, 95 of 100 are faster.",
            Query(
                quantile(
                    0.95, "voxtrace_messaging_wait_duration_seconds", by="voxtrace_messaging_queue_name"
                ),
                "{{voxtrace_messaging_queue_name}}",
            ),
            unit="s",
            span=12,
        ),
        chart.lines(
            "Depth",
            "Messages in each queue, ready and in hand.",
            Query(total("rabbitmq_detailed_queue_messages", by="queue"), "{{queue}}"),
            unit="short",
            span=12,
        ),
        links=(link("voxtrace-queues", "More of the queues"),),
    )
    return made


def _requests() -> chart.Panel:
    return chart.lines(
        f"{GATEWAY.title}: answers",
        f"Requests by the status they were answered with. What was accepted ends in '{OUTCOME.span}', "
        "the last row.",
        Query(
            f"sum by (http_response_status_code) (rate({of('http_server_request_duration_seconds_count')}"
            "[$__rate_interval]))",
            "{{http_response_status_code}}",
        ),
        unit="reqps",
    )
