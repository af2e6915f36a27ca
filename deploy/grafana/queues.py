"""The queues: what waits, for how long, who takes it, and what comes back."""

from __future__ import annotations

import chart
from board import Board, choice
from promql import Query, heat, of, quantile, rate, total

#: The broker's name of a queue, and the clients'.
BROKER = 'queue=~"$queue"'
CLIENT = 'voxtrace_messaging_queue_name=~"$queue"'
NAME = "{{voxtrace_messaging_queue_name}}"
REFUSAL = "job, voxtrace_messaging_header_name, voxtrace_messaging_refusal_reason"
DESTINATION = "messaging_destination_name"
WAIT = "voxtrace_messaging_wait_duration_seconds"


def board() -> Board:
    """Return the dashboard."""
    return (
        Board(
            "voxtrace-queues",
            "Queues",
            "Depth, wait and consumers of each queue; retries, redeliveries and dead letters; the "
            "broker itself.",
            source='{__name__=~"target_info|up|rabbitmq_detailed_queue_messages"}',
            choices=(choice("queue", "Queue", "label_values(rabbitmq_detailed_queue_messages, queue)"),),
        )
        .row("Depth and wait", *_standing())
        .row("Deliveries", *_moving())
        .row("What went wrong", *_troubled())
        .row("Broker", *_broker())
    )


def _standing() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "Ready",
            "Messages that wait for a worker: rising over minutes means too few workers, or none.",
            Query(total("rabbitmq_detailed_queue_messages_ready", BROKER, by="queue"), "{{queue}}"),
            unit="short",
        ),
        chart.lines(
            "In hand",
            "Messages that a worker has and has not settled.",
            Query(total("rabbitmq_detailed_queue_messages_unacked", BROKER, by="queue"), "{{queue}}"),
            unit="short",
        ),
        chart.lines(
            "Consumers",
            "Workers that take from each queue; 0 where messages are ready is a stop. Retry queues "
            "have none.",
            Query(total("rabbitmq_detailed_queue_consumers", BROKER, by="queue"), "{{queue}}"),
            unit="short",
        ),
        chart.lines(
            "Wait",
            "Time from a message's sending to its delivery to a callback.",
            Query(quantile(0.5, WAIT, CLIENT, by="voxtrace_messaging_queue_name"), f"p50 {NAME}"),
            Query(
                quantile(0.95, WAIT, CLIENT, by="voxtrace_messaging_queue_name"),
                f"p95 {NAME}",
                exemplars=True,
            ),
            unit="s",
        ),
        chart.heat(
            "Waits", "How many messages waited how long.", Query(heat(WAIT, CLIENT), "{{le}}"), unit="s"
        ),
        chart.lines(
            "Wait in the client",
            "The part of the wait that a message was already with its worker, behind others: lower "
            "the prefetch count.",
            Query(
                quantile(
                    0.95,
                    "voxtrace_messaging_wait_prefetch_duration_seconds",
                    CLIENT,
                    by="voxtrace_messaging_queue_name",
                ),
                f"p95 {NAME}",
            ),
            unit="s",
        ),
    )


def _moving() -> tuple[chart.Panel, ...]:
    where = "{{messaging_destination_name}}"
    return (
        chart.lines(
            "Published",
            "Messages sent per second, by exchange and routing key.",
            Query(rate("messaging_client_sent_messages_total", by=DESTINATION), where),
            unit="ops",
        ),
        chart.lines(
            "Delivered",
            "Messages delivered per second: below what is published the queue grows.",
            Query(rate("messaging_client_consumed_messages_total", by=DESTINATION), where),
            unit="ops",
        ),
        chart.lines(
            "Processing",
            "From delivery to settlement, 95 of 100 are faster.",
            Query(
                quantile(0.95, "messaging_process_duration_seconds", by=DESTINATION),
                f"p95 {where}",
                exemplars=True,
            ),
            unit="s",
        ),
        chart.lines(
            "Confirm",
            "Time until the broker confirmed a publish, 95 of 100 are faster.",
            Query(
                quantile(
                    0.95,
                    "messaging_client_operation_duration_seconds",
                    'messaging_operation_name="publish"',
                    by="job",
                ),
                "p95 {{job}}",
            ),
            unit="s",
        ),
        chart.lines(
            "In flight",
            "Messages with a callback at the moment of an export.",
            Query(total("voxtrace_messaging_in_flight", CLIENT, by="voxtrace_messaging_queue_name"), NAME),
            unit="short",
            nothing="none in hand",
        ),
        chart.lines(
            "Oldest in flight",
            "Time since the delivery of the oldest message in flight: a job that is stuck shows here.",
            Query(
                "max by (voxtrace_messaging_queue_name) "
                f"({of('voxtrace_messaging_in_flight_age_seconds', CLIENT)})",
                NAME,
            ),
            unit="s",
            nothing="none in hand",
        ),
    )


def _troubled() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "Dead letters",
            "Messages that nobody could process, kept with their reason in x-exception-type.",
            Query(total("rabbitmq_detailed_queue_messages", 'queue="speech.dead"'), "speech.dead"),
            unit="short",
            bound=1,
        ),
        chart.lines(
            "Waiting for another try",
            "Failed messages that come back after their delay.",
            Query(
                total("rabbitmq_detailed_queue_messages", 'queue=~"speech.retry.*"', by="queue"), "{{queue}}"
            ),
            unit="short",
        ),
        chart.lines(
            "Failed processing",
            "Messages whose processing failed per second, by the type of error; 0 while none does.",
            Query(
                rate("messaging_process_duration_seconds_count", 'error_type!=""', by="job, error_type")
                + " or "
                + rate("messaging_process_duration_seconds_count", by="job")
                + " * 0",
                "{{job}} {{error_type}}",
            ),
            unit="ops",
        ),
        chart.lines(
            "Redelivered",
            "Messages that a worker gave back or lost, per second: a worker that dies on a message "
            "sends it round.",
            Query(rate("rabbitmq_global_messages_redelivered_total"), "redelivered"),
            unit="ops",
        ),
        chart.lines(
            "Returned",
            "Messages that no queue took, per second.",
            Query(
                f"{rate('voxtrace_messaging_returned_messages_total', by=f'job, {DESTINATION}')} or "
                f"{rate('messaging_client_sent_messages_total', by='job')} * 0",
                "{{job}} {{messaging_destination_name}}",
            ),
            unit="ops",
        ),
        chart.lines(
            "Headers not believed",
            "Trace context in messages that was refused, by header and reason.",
            Query(
                f"{rate('voxtrace_messaging_refused_headers_total', by=REFUSAL)} or "
                f"{rate('messaging_client_consumed_messages_total', by='job')} * 0",
                "{{job}} {{voxtrace_messaging_header_name}} {{voxtrace_messaging_refusal_reason}}",
            ),
            unit="ops",
        ),
    )


def _broker() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "Memory",
            "The broker's memory, and the mark above which it stops publishers.",
            Query(total("rabbitmq_process_resident_memory_bytes", by="instance"), "{{instance}}"),
            Query(total("rabbitmq_resident_memory_limit_bytes", by="instance"), "limit {{instance}}"),
            unit="bytes",
            span=6,
        ),
        chart.lines(
            "Free disk",
            "What is left, and the mark below which publishers are stopped.",
            Query(total("rabbitmq_disk_space_available_bytes", by="instance"), "{{instance}}"),
            Query(total("rabbitmq_disk_space_available_limit_bytes", by="instance"), "limit {{instance}}"),
            unit="bytes",
            span=6,
        ),
        chart.lines(
            "Connections and channels",
            "One connection per worker and two for the gateway; what only ever rises is a leak.",
            Query(total("rabbitmq_connections"), "connections"),
            Query(total("rabbitmq_channels"), "channels"),
            unit="short",
            span=6,
        ),
        chart.lines(
            "Alarms",
            "1 while memory, disk or file descriptors have run out: publishers stand still.",
            Query(total("rabbitmq_alarms_memory_used_watermark"), "memory"),
            Query(total("rabbitmq_alarms_free_disk_space_watermark"), "disk"),
            Query(total("rabbitmq_alarms_file_descriptor_limit"), "file descriptors"),
            unit="short",
            span=6,
            bound=1,
        ),
    )
