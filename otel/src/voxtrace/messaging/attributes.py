"""What a span says of its one message, beside what its route says of them all."""

from typing import Any, Final

from voxtrace import semconv
from voxtrace.messaging import history, names
from voxtrace.messaging.propagation import header_int
from voxtrace.messaging.route import Attributes

MAX_ATTEMPT: Final = 1_000_000


def message(properties: Any) -> Attributes:
    """Which message it is."""
    attributes: Attributes = {}
    message_id = getattr(properties, "message_id", None)
    if message_id and isinstance(message_id, str):
        attributes[semconv.MESSAGING_MESSAGE_ID] = message_id
    correlation_id = getattr(properties, "correlation_id", None)
    if correlation_id and isinstance(correlation_id, str):
        attributes[semconv.MESSAGING_MESSAGE_CONVERSATION_ID] = correlation_id
    return attributes


def delivery(method: Any, properties: Any, headers: object) -> Attributes:
    """Which message it is, and how often it came, as far as `headers` are to be believed."""
    attributes = message(properties)
    attempt = 1
    if headers:
        attempt = header_int(headers, names.HEADER_ATTEMPT) or 1
        deaths = history.deaths(headers)
        if deaths is not None:
            attempt += deaths.refusals
            attributes.update(deaths.attributes())
    count = header_int(headers, names.HEADER_DELIVERY_COUNT) if headers else None
    if count is not None:
        attributes[semconv.VOXTRACE_DELIVERY_COUNT] = _bounded(count, 0)
    redelivered = bool(getattr(method, "redelivered", False))
    # Classic queues do not count their deliveries: of a redelivery they say no more than that.
    attempt += count or int(redelivered)
    attributes[semconv.VOXTRACE_REDELIVERED] = redelivered
    attributes[semconv.VOXTRACE_DELIVERY_ATTEMPT] = _bounded(attempt, 1)
    tag = getattr(method, "delivery_tag", None)
    if isinstance(tag, int):
        attributes[semconv.MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG] = tag
    return attributes


def _bounded(number: int, least: int) -> int:
    """Anyone can write the headers, and OTLP knows integers of 64 bits only."""
    return min(max(number, least), MAX_ATTEMPT)
