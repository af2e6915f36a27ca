"""What older semantic conventions called things, emitted beside the new names under `messaging/dup`."""

from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.metrics import Meter
from opentelemetry.trace import Span

from voxtrace import semconv
from voxtrace.messaging.route import Attributes, Route

_NANOSECONDS: Final = 1_000_000_000


class Former:
    """The names that opentelemetry-instrumentation-pika 0.66b1 emits, and the metrics deprecated since."""

    def __init__(self, meter: Meter) -> None:
        self._publish_duration = semconv.METRIC_MESSAGING_PUBLISH_DURATION.histogram(meter)
        self._receive_duration = semconv.METRIC_MESSAGING_RECEIVE_DURATION.histogram(meter)
        self._published = [
            metric.counter(meter)
            for metric in (
                semconv.METRIC_MESSAGING_PUBLISH_MESSAGES,
                semconv.METRIC_MESSAGING_CLIENT_PUBLISHED_MESSAGES,
            )
        ]
        self._received = semconv.METRIC_MESSAGING_RECEIVE_MESSAGES.counter(meter)
        self._processed = semconv.METRIC_MESSAGING_PROCESS_MESSAGES.counter(meter)

    def describe(
        self, span: Span, route: Route, exchange: object, routing_key: object, properties: Any
    ) -> None:
        """Says on `span` under the old names what it says under the new."""
        attributes: Attributes = {}
        destination = exchange or routing_key
        if isinstance(destination, str):
            attributes[semconv.MESSAGING_DESTINATION] = destination
        if route.beginning[semconv.MESSAGING_OPERATION_TYPE] == "send":
            attributes[semconv.MESSAGING_TEMP_DESTINATION] = True
        else:
            # A callback was once said to receive.
            attributes[semconv.MESSAGING_OPERATION] = "receive"
        correlation_id = getattr(properties, "correlation_id", None)
        if correlation_id and isinstance(correlation_id, str):
            attributes[semconv.MESSAGING_CONVERSATION_ID] = correlation_id
        for former, name in _SERVER:
            if name in route.beginning:
                attributes[former] = route.beginning[name]
        span.set_attributes(attributes)

    def published(self, nanoseconds: int, measured: Attributes, context: Context) -> None:
        """Measures a publish."""
        self._publish_duration.record(nanoseconds / _NANOSECONDS, measured, context)
        for counter in self._published:
            counter.add(1, measured, context)

    def received(self, nanoseconds: int, measured: Attributes, context: Context) -> None:
        """Measures a get."""
        self._receive_duration.record(nanoseconds / _NANOSECONDS, measured, context)
        self._received.add(1, measured, context)

    def processed(self, measured: Attributes, context: Context) -> None:
        """Counts a message delivered to a callback."""
        self._processed.add(1, measured, context)


_SERVER: Final = (
    (semconv.NET_PEER_NAME, semconv.SERVER_ADDRESS),
    (semconv.NET_PEER_PORT, semconv.SERVER_PORT),
)
