"""The attributes of messaging spans; all are known before the span starts, so that samplers see them."""

from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from voxtrace import semconv
from voxtrace.messaging import names
from voxtrace.messaging.destination import Destination
from voxtrace.messaging.propagation import header_int

Attributes = dict[str, AttributeValue]

MAX_ATTEMPT: Final = 1_000_000


def transport(channel: Any) -> Any:
    """The callback-style channel behind `channel`: a BlockingChannel wraps one, any other is one."""
    return getattr(channel, "_impl", channel)


def server(channel: Any) -> Attributes:
    """The broker a channel talks to."""
    params = getattr(getattr(transport(channel), "connection", None), "params", None)
    host, port = getattr(params, "host", None), getattr(params, "port", None)
    attributes: Attributes = {}
    if isinstance(host, str):
        attributes[semconv.SERVER_ADDRESS] = host
    if isinstance(port, int):
        attributes[semconv.SERVER_PORT] = port
    return attributes


def operation(name: str, kind: str, destination: Destination) -> Attributes:
    """What is done, and to which destination."""
    attributes: Attributes = {
        semconv.MESSAGING_SYSTEM: names.SYSTEM,
        semconv.MESSAGING_OPERATION_NAME: name,
        semconv.MESSAGING_OPERATION_TYPE: kind,
        semconv.MESSAGING_DESTINATION_NAME: destination.name,
    }
    if destination.anonymous:
        attributes[semconv.MESSAGING_DESTINATION_ANONYMOUS] = True
    return attributes


def message(routing_key: object, properties: Any) -> Attributes:
    """Which message it is."""
    found = {
        semconv.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY: routing_key,
        semconv.MESSAGING_MESSAGE_ID: getattr(properties, "message_id", None),
        semconv.MESSAGING_MESSAGE_CONVERSATION_ID: getattr(properties, "correlation_id", None),
    }
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def delivery(method: Any, headers: object, queue: str) -> Attributes:
    """How often and by which queue a message came."""
    redelivered = bool(getattr(method, "redelivered", False))
    # Classic queues do not count their deliveries: of a redelivery they say no more than that.
    returned = header_int(headers, names.HEADER_DELIVERY_COUNT) or int(redelivered)
    attempt = (header_int(headers, names.HEADER_ATTEMPT) or 1) + returned
    # Anyone can write these headers, and OTLP knows integers of 64 bits only.
    attempt = min(max(attempt, 1), MAX_ATTEMPT)
    attributes: Attributes = {
        semconv.VOXTRACE_REDELIVERED: redelivered,
        semconv.VOXTRACE_DELIVERY_ATTEMPT: attempt,
    }
    tag = getattr(method, "delivery_tag", None)
    if isinstance(tag, int):
        attributes[semconv.MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG] = tag
    if queue:
        attributes[semconv.VOXTRACE_QUEUE_NAME] = queue
    return attributes
