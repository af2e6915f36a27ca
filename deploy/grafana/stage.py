"""The stages of the pipeline, in the order of the data, and the panels that each has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import chart
from promql import SPANS, Query, failed, of, quantile, rate, traced

if TYPE_CHECKING:
    from chart import Panel


@dataclass(frozen=True, kw_only=True)
class Stage:
    """
    A step that a service does for an upload.

    Attributes:
        title: what it is called.
        service: whose step it is.
        span: the span that is one execution of it.
        queue: where its work waits.
        engine: the operation of the engine that does it.
    """

    title: str
    service: str
    span: str
    queue: str | None = None
    engine: str | None = None

    @property
    def matchers(self) -> tuple[str, str]:
        """Which spans are its executions."""
        return f'service_name="{self.service}"', f'span_name="{self.span}"'


GATEWAY = Stage(title="Gateway", service="gateway", span="POST /v1/uploads")
ASR = Stage(
    title="Speech recognition",
    service="asr",
    span="process speech:transcribe",
    queue="transcribe",
    engine="speech_to_text",
)
TRANSLATION = Stage(
    title="Translation",
    service="translation",
    span="process speech:translate",
    queue="translate",
    engine="translate",
)
SYNTHESIS = Stage(
    title="Speech synthesis",
    service="synthesis",
    span="process speech:synthesize",
    queue="synthesize",
    engine="text_to_speech",
)
OUTCOME = Stage(title="Outcome", service="gateway", span="process speech:events", queue="events")

STAGES = (GATEWAY, ASR, TRANSLATION, SYNTHESIS, OUTCOME)

ERROR = 'status_code="STATUS_CODE_ERROR"'


def throughput(stage: Stage, span: int = 8) -> Panel:
    """Rate and errors of a stage."""
    calls = f"{SPANS}_calls_total"
    return chart.lines(
        f"{stage.title}: rate and errors",
        f"Executions of '{stage.span}' per second, and those that failed. Every span counts, whatever "
        "is sampled.",
        Query(rate(calls, *stage.matchers), "all"),
        Query(failed(calls, ERROR, *stage.matchers), "failed"),
        unit="ops",
        span=span,
    )


def duration(stage: Stage, span: int = 8) -> Panel:
    """Duration of a stage, with single traces as dots."""
    return chart.lines(
        f"{stage.title}: duration",
        f"How long '{stage.span}' takes: half are below p50, 95 of 100 below p95. Each dot is a "
        "trace; a click opens it.",
        Query(quantile(0.5, f"{SPANS}_duration_seconds", *stage.matchers), "p50"),
        traced(quantile(0.95, f"{SPANS}_duration_seconds", *stage.matchers), 0.95, *stage.matchers),
        unit="s",
        span=span,
    )


def wait(stage: Stage, span: int = 4) -> Panel:
    """How long messages waited for a stage."""
    queue = f'voxtrace_messaging_queue_name="{stage.queue}"'
    return chart.lines(
        f"{stage.title}: wait",
        f"Time from a message's sending to queue '{stage.queue}' to its delivery. Rising with the "
        "depth beside it: "
        "too few workers. Rising alone: slow ones.",
        Query(quantile(0.5, "voxtrace_messaging_wait_duration_seconds", queue), "p50"),
        traced(
            quantile(0.95, "voxtrace_messaging_wait_duration_seconds", queue),
            0.95,
            f'service_name="{stage.service}"',
            f'span_name="wait {stage.queue}"',
        ),
        unit="s",
        span=span,
    )


def depth(stage: Stage, span: int = 4) -> Panel:
    """How many messages a stage has before it and in hand."""
    queue = f'queue="{stage.queue}"'
    return chart.lines(
        f"{stage.title}: depth",
        f"Messages in queue '{stage.queue}': ready for a worker, and in a worker's hands.",
        Query(f"sum({of('rabbitmq_detailed_queue_messages_ready', queue)})", "ready"),
        Query(f"sum({of('rabbitmq_detailed_queue_messages_unacked', queue)})", "in hand"),
        unit="short",
        span=span,
        stacked=True,
    )
