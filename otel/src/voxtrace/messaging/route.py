"""What all messages on one way through a broker have in common: made once, then shared."""

from dataclasses import dataclass, field
from typing import Any, Final, Self

from opentelemetry.util.types import AttributeValue

from voxtrace import semconv
from voxtrace.messaging import names
from voxtrace.messaging.destination import Destination, consumed_from, published_to, queue_label

MAX_ROUTES: Final = 1000
"""Routing keys of topic exchanges may hold ids; past this many, all routes are made anew."""
MAX_DESTINATIONS: Final = 200
"""Past this many, measurements no longer name destinations."""

Attributes = dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the waits in one queue have in common; `timed` is by the source of the wait's start."""

    span_name: str
    timed: dict[str, Attributes]
    prefetched: Attributes

    @classmethod
    def in_queue(cls, queue: str) -> Self:
        """The waits in the queue of that name; empty where it is unknown."""
        label = queue_label(queue)
        common: Attributes = {
            semconv.MESSAGING_SYSTEM: names.SYSTEM,
            semconv.VOXTRACE_MESSAGING_QUEUE_NAME: label,
        }
        timed = {
            source: {**common, semconv.VOXTRACE_MESSAGING_WAIT_SOURCE: source}
            for source in names.WAIT_SOURCES
        }
        return cls(f"wait {label}", timed, common)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """
    One operation on one way through a broker. It is shared by its messages: nobody changes the dictionaries.

    Attributes:
        beginning: What a span says from its start, so that samplers see it.
        measured: What a measurement says: names that are few.
        timed: The same for `messaging.client.operation.duration`, which alone tells the operation's type.
    """

    operation: str
    destination: Destination
    queue: str
    span_name: str
    beginning: Attributes
    measured: Attributes
    timed: Attributes
    waiting: Waiting
    settlements: "dict[str, Route]" = field(default_factory=dict)

    def measured_with(self, error_type: str | None) -> Attributes:
        """`measured`, with the error type if there is one."""
        return self.measured if error_type is None else {**self.measured, semconv.ERROR_TYPE: error_type}

    def timed_with(self, error_type: str | None) -> Attributes:
        """`timed`, with the error type if there is one."""
        return self.timed if error_type is None else {**self.timed, semconv.ERROR_TYPE: error_type}


class Routes:
    """The routes in use, by what they are made of."""

    def __init__(self) -> None:
        self._routes: dict[tuple[object, ...], tuple[Route, object]] = {}
        self._named: set[str] = set()

    def published(self, channel: Any, exchange: object, routing_key: object) -> Route:
        """The route of a publish on `channel`."""
        return self._find(names.PUBLISH, channel, exchange, routing_key, "")

    def consumed(
        self, channel: Any, exchange: object, routing_key: object, queue: str, operation: str = names.PROCESS
    ) -> Route:
        """The route of a message that was delivered from `queue` on `channel`."""
        return self._find(operation, channel, exchange, routing_key, queue)

    def settled(self, consumed: Route, operation: str) -> Route:
        """The route of a settlement of what came by `consumed`."""
        found = consumed.settlements.get(operation)
        if found is None:
            server = {name: consumed.beginning[name] for name in _SERVER if name in consumed.beginning}
            found = self._made(operation, consumed.destination, consumed.queue, server)
            consumed.settlements[operation] = found
        return found

    def _find(self, operation: str, channel: Any, exchange: object, routing_key: object, queue: str) -> Route:
        parameters = getattr(getattr(transport(channel), "connection", None), "params", None)
        # What is no text has no name, and perhaps no hash.
        exchange = exchange if isinstance(exchange, str) else ""
        routing_key = routing_key if isinstance(routing_key, str) else ""
        # Pika's parameters have no hash; held beside the route, no others get their identity.
        key = (operation, id(parameters), exchange, routing_key, queue)
        found = self._routes.get(key)
        if found is not None:
            return found[0]
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        if operation == names.PUBLISH:
            destination = published_to(exchange, routing_key)
        else:
            destination = consumed_from(exchange, routing_key, queue)
        more = _server(parameters)
        if routing_key:
            more[semconv.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY] = routing_key
        route = self._made(operation, destination, queue, more)
        self._routes[key] = route, parameters
        return route

    def _made(self, operation: str, destination: Destination, queue: str, more: Attributes) -> Route:
        beginning: Attributes = {
            semconv.MESSAGING_SYSTEM: names.SYSTEM,
            semconv.MESSAGING_OPERATION_NAME: operation,
            semconv.MESSAGING_OPERATION_TYPE: names.OPERATION_TYPES[operation],
            semconv.MESSAGING_DESTINATION_NAME: destination.name,
            **more,
        }
        measured = {name: beginning[name] for name in _MEASURED if name in beginning}
        if destination.label in self._named or len(self._named) < MAX_DESTINATIONS:
            self._named.add(destination.label)
            measured[semconv.MESSAGING_DESTINATION_NAME] = destination.label
        if destination.anonymous:
            beginning[semconv.MESSAGING_DESTINATION_ANONYMOUS] = True
        if queue:
            beginning[semconv.VOXTRACE_MESSAGING_QUEUE_NAME] = queue
        return Route(
            operation=operation,
            destination=destination,
            queue=queue,
            span_name=f"{operation} {destination.label}",
            beginning=beginning,
            measured=measured,
            timed={**measured, semconv.MESSAGING_OPERATION_TYPE: names.OPERATION_TYPES[operation]},
            waiting=Waiting.in_queue(queue),
        )


def transport(channel: Any) -> Any:
    """The callback-style channel below `channel`, which is one itself if not blocking or thread-safe."""
    return getattr(channel, "_impl", None) or getattr(channel, "_channel", channel)


def _server(parameters: Any) -> Attributes:
    host, port = getattr(parameters, "host", None), getattr(parameters, "port", None)
    server: Attributes = {}
    if isinstance(host, str):
        server[semconv.SERVER_ADDRESS] = host
    if isinstance(port, int):
        server[semconv.SERVER_PORT] = port
    return server


_SERVER: Final[tuple[str, ...]] = (semconv.SERVER_ADDRESS, semconv.SERVER_PORT)
_MEASURED: Final[tuple[str, ...]] = (
    semconv.MESSAGING_SYSTEM,
    semconv.MESSAGING_OPERATION_NAME,
    *_SERVER,
)
