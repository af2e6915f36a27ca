"""What an exchange, routing key and queue are called in span names, attributes and metrics."""

from dataclasses import dataclass

ANONYMOUS = "(anonymous)"
_ANONYMOUS_PREFIXES = ("amq.gen-", "amq.rabbitmq.reply-to")


@dataclass(frozen=True, slots=True)
class Destination:
    """
    A messaging destination under its full name and under one that is safe to aggregate by.

    Attributes:
        name: `{exchange}:{routing key}[:{queue}]`, empty parts left out.
        label: `name` without broker-made queue names, of which there is one per connection.
    """

    name: str
    label: str

    @property
    def anonymous(self) -> bool:
        """True where the broker made up a part of the name."""
        return self.name != self.label


def published_to(exchange: object, routing_key: object) -> Destination:
    """The destination of a publish."""
    return _destination(_text(exchange), _text(routing_key))


def consumed_from(exchange: object, routing_key: object, queue: object) -> Destination:
    """The destination a delivery came by; the queue is left out where it repeats the routing key."""
    key = _text(routing_key)
    queue_name = _text(queue)
    return _destination(_text(exchange), key, "" if queue_name == key else queue_name)


def is_anonymous(queue: str) -> bool:
    """True for a queue whose name the broker chose, or that we do not know the name of."""
    return not queue or queue.startswith(_ANONYMOUS_PREFIXES)


def queue_label(queue: str) -> str:
    """The queue's name where it is one of few, else a constant."""
    return ANONYMOUS if is_anonymous(queue) else queue


def _destination(*parts: str) -> Destination:
    present = [part for part in parts if part]
    lasting = [part for part in present if not part.startswith(_ANONYMOUS_PREFIXES)]
    if not present:
        return Destination("amq.default", "amq.default")
    return Destination(":".join(present), ":".join(lasting) or ANONYMOUS)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
