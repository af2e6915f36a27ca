"""The thread-safe adapter of pika 1.5: callbacks run in a thread of the channel, publishes in another."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import pika
from pika.exceptions import AMQPError

from contract.messaging.adapters.adapter import PACE, looks

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.messaging.adapters.adapter import OnMessage

PATIENCE = 20.0


class ThreadSafe:
    """A connection that may be used from anywhere; the scenario's own thread only looks on."""

    taking: ClassVar[str] = "process"

    def __init__(self, site: Any) -> None:
        from pika.adapters import thread_safe_connection  # noqa: PLC0415 - pika 1.4 has none

        self.connection = thread_safe_connection.Connection(pika.URLParameters(site))
        self.channel: Any = self.connection.channel()
        self._confirmed = threading.Event()
        self.channel.confirm_delivery(lambda *_: self._confirmed.set())

    def publish(
        self, queue: str, body: bytes = b"body", properties: Any = None, *, exchange: str = ""
    ) -> None:
        """Publish, and wait for the confirm."""
        self._confirmed.clear()
        self.channel.basic_publish(exchange, queue, body, properties)
        assert self._confirmed.wait(PATIENCE), "no confirm"

    def consume(self, queue: str, on_message: OnMessage, *, auto_ack: bool = False) -> None:
        """Register the callback."""
        self.channel.basic_consume(queue, on_message, auto_ack)

    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Look on."""
        for _ in looks(seconds):
            if until():
                return True
            time.sleep(PACE)
        return False

    def later(self, action: Callable[[], object]) -> None:
        """Do it here: the channel takes calls of any thread."""
        action()

    def close(self) -> None:
        """Close the connection, and with it its threads."""
        with suppress(AMQPError):
            self.connection.close()
        # pika 1.5.0rc1 leaves the sockets open by which the loop was woken.
        self.connection._connection.ioloop.close()
