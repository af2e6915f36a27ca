"""What a span says of its one message, beside what its route says of them all."""

from collections.abc import Mapping
from typing import Any, Final

from voxtrace import semconv
from voxtrace.messaging import history, names
from voxtrace.messaging.headers import header_int
from voxtrace.messaging.route import Attributes

MAX_ATTEMPT: Final = 1_000_000

_COUNTING: Final = frozenset({names.HEADER_ATTEMPT, names.HEADER_DEATHS, names.HEADER_DELIVERY_COUNT})


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


def delivery(method: Any, properties: Any, headers: Mapping[Any, Any]) -> Attributes:
    """Which message it is, and how often it came, as far as `headers` are to be believed."""
    attributes = message(properties)
    redelivered = bool(getattr(method, "redelivered", False))
    # Classic queues do not count their deliveries: of a redelivery they say no more than that.
    attempt = 1 + redelivered
    if not headers.keys().isdisjoint(_COUNTING):
        attempt = _count(headers, redelivered, attributes)
    attributes[semconv.VOXTRACE_MESSAGING_REDELIVERED] = redelivered
    attributes[semconv.VOXTRACE_MESSAGING_DELIVERY_ATTEMPT] = attempt
    tag = getattr(method, "delivery_tag", None)
    if isinstance(tag, int):
        attributes[semconv.MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG] = tag
    return attributes


def _count(headers: Mapping[Any, Any], redelivered: bool, attributes: Attributes) -> int:
    """Which attempt it is by headers that tell of others, and what else they tell of them."""
    attempt = header_int(headers, names.HEADER_ATTEMPT) or 1
    deaths = history.deaths(headers)
    if deaths is not None:
        attempt += deaths.refusals
        attributes.update(deaths.attributes())
    count = header_int(headers, names.HEADER_DELIVERY_COUNT)
    if count is not None:
        attributes[semconv.VOXTRACE_MESSAGING_DELIVERY_COUNT] = _bounded(count, 0)
    return _bounded(attempt + (count or redelivered), 1)


def _bounded(number: int, least: int) -> int:
    """Anyone can write the headers, and OTLP knows integers of 64 bits only."""
    return min(max(number, least), MAX_ATTEMPT)
