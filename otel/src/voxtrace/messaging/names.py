"""The AMQP headers that are read and written, and the values that say what became of a message."""

from typing import Final

from voxtrace._w3c import text

SYSTEM: Final = "rabbitmq"

TRACEPARENT: Final = text.TRACEPARENT
TRACESTATE: Final = text.TRACESTATE
BAGGAGE: Final = text.BAGGAGE
HEADER_PREVIOUS: Final = "voxtrace-previous"
"""The span that processed a message before it was published again, in the form of a traceparent."""
HEADER_ENQUEUED_AT: Final = "voxtrace-enqueued-at"
"""When the producer sent the message, in ms since the epoch; the AMQP timestamp knows whole seconds only."""
HEADER_BROKER_TIMESTAMP: Final = "timestamp_in_ms"
"""When the broker took the message, written by RabbitMQ's timestamp interceptor or plugin."""
HEADER_DEATHS: Final = "x-death"
"""Where and why the message was dead-lettered, the latest first; RabbitMQ writes it."""
HEADER_FIRST_DEATH_QUEUE: Final = "x-first-death-queue"
HEADER_FIRST_DEATH_REASON: Final = "x-first-death-reason"
HEADER_ATTEMPT: Final = "x-attempt"
HEADER_DELIVERY_COUNT: Final = "x-delivery-count"
HEADER_EXCEPTION_TYPE: Final = "x-exception-type"
"""A republished message names the failure of the one being processed (as Spring AMQP's recoverer does)."""

WAIT_SOURCES: Final = {"broker": HEADER_BROKER_TIMESTAMP, "producer": HEADER_ENQUEUED_AT}
"""Who says when a message was enqueued, and where; what both say is the broker's word."""

PUBLISH: Final = "publish"
RECEIVE: Final = "receive"
PROCESS: Final = "process"
ACK: Final = "ack"
NACK: Final = "nack"
REJECT: Final = "reject"
OPERATION_TYPES: Final = {
    PUBLISH: "send",
    RECEIVE: "receive",
    PROCESS: "process",
    ACK: "settle",
    NACK: "settle",
    REJECT: "settle",
}

REQUEUE: Final = "requeue"
BATCHED: Final = "batched"
"""The message was handed to a batch; what became of it is told there."""
MIXED: Final = "mixed"
"""The messages of a batch were settled in different ways."""
CHANNEL_CLOSED: Final = "channel_closed"
ERROR_REJECTED: Final = "rejected"
ERROR_NACKED: Final = "amqp:nack"
"""The broker refused a published message: the only word that AMQP has for it."""
ERROR_CONSUMER_TIMEOUT: Final = "consumer_timeout"
"""The broker closed the channel because a message was not settled in time."""
ERROR_OTHER: Final = "_OTHER"
"""What OpenTelemetry says for an error type that is not to be repeated."""
