"""A message in the broker, and what its headers say once it died."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """
    One message in one queue.

    Attributes:
        properties: pika's `BasicProperties`; never changed, since queues may share them.
        position: Its place in the queue, which it comes back to when it is returned.
        expires: When it dies, in seconds of the broker's clock.
        returned: How often it came back to the queue unsettled.
    """

    exchange: str
    routing_key: str
    properties: Any
    body: bytes
    position: int = 0
    expires: float | None = None
    returned: int = 0

    @property
    def headers(self) -> Mapping[str, Any]:
        """Its headers, empty where it has none."""
        return self.properties.headers or {}

    def copy(self) -> "Message":
        """The same message for another queue."""
        return replace(self)

    def with_headers(self, **headers: Any) -> "Message":
        """A copy with more headers."""
        properties = copy.copy(self.properties)
        properties.headers = {**self.headers, **headers}
        return replace(self, properties=properties)


def dead(message: Message, queue: str, reason: str, now: float) -> Message:
    """The message as it leaves `queue` for a dead-letter exchange: the death is noted, the expiry is gone."""
    deaths = _deaths(message)
    same = [death for death in deaths if death.get("queue") == queue and death.get("reason") == reason]
    others = [death for death in deaths if death not in same]
    if same:
        count = same[0].get("count")
        death = {**same[0], "count": long_integer(count + 1 if isinstance(count, int) else 1)}
    else:
        death = {
            "count": long_integer(1),
            "reason": reason,
            "queue": queue,
            "time": datetime.fromtimestamp(int(now), UTC),
            "exchange": message.exchange,
            "routing-keys": [message.routing_key],
        }
        if message.properties.expiration is not None:
            death["original-expiration"] = message.properties.expiration
    headers: dict[str, Any] = {"x-death": [death, *others]}
    if not deaths:
        headers["x-first-death-exchange"] = message.exchange
        headers["x-first-death-queue"] = queue
        headers["x-first-death-reason"] = reason
    changed = message.with_headers(**headers)
    changed.properties.expiration = None
    return replace(changed, position=0, expires=None, returned=0)


def cycles(message: Message, queue: str) -> bool:
    """
    True where a dead message would come back to `queue` with nobody having rejected it on its way.

    RabbitMQ drops such messages, which would go round for ever.
    """
    reasons = []
    for death in _deaths(message):
        reasons.append(death.get("reason"))
        if death.get("queue") == queue:
            return "rejected" not in reasons
    return False


def _deaths(message: Message) -> list[dict[str, Any]]:
    # Anyone may publish a header of this name.
    deaths = message.headers.get("x-death")
    return [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []


def long_integer(value: int) -> Any:
    """An integer of 64 bits, as pika's codec reads it: a type of its own in pika 1.4."""
    # On use: pika may be absent where this package is imported.
    from pika.data import decode_value  # noqa: PLC0415

    return decode_value(b"l" + value.to_bytes(8, "big", signed=True), 0)[0]
