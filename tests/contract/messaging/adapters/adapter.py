"""What a scenario needs of a way to use pika."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol

import pika

OnMessage = Callable[[Any, Any, Any, Any], object]
"""Takes channel, method, properties and body."""

PACE = 0.01
"""Seconds between two looks at whether something has come about."""


class Adapter(Protocol):
    """
    One end of a broker: a connection of its own, with one channel on which publishes are confirmed.

    Attributes:
        taking: What the instrumentation calls taking a message this way: `process` or `receive`.
        channel: Pika's own channel, for what a scenario wants of pika itself.
    """

    taking: ClassVar[str]
    channel: Any

    def __init__(self, site: Any) -> None:
        """Connects to the broker at a URL, or to the one in memory, which may take a few seconds."""
        ...

    def publish(
        self, queue: str, body: bytes = b"body", properties: Any = None, *, exchange: str = ""
    ) -> None:
        """Publish, and come back once the broker has the message."""
        ...

    def consume(self, queue: str, on_message: OnMessage, *, auto_ack: bool = False) -> None:
        """Hand the messages of a queue to a function with the signature of pika's callbacks."""
        ...

    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Let messages arrive until something is so; False if it was not within `seconds`."""
        ...

    def later(self, action: Callable[[], object]) -> None:
        """Have an action done where the channel may be used; may be called from any thread."""
        ...

    def close(self) -> None:
        """Close the connection, if it is still open."""
        ...


def connect(site: Any) -> pika.BlockingConnection:
    """A blocking connection to either kind of broker."""
    return pika.BlockingConnection(pika.URLParameters(site)) if isinstance(site, str) else site.connection()


def looks(seconds: float) -> Iterator[None]:
    """A look, and another, until `seconds` are over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
