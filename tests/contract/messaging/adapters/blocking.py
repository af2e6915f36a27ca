"""The three ways to take a message from a BlockingConnection."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from pika.exceptions import AMQPError

from contract.messaging.adapters.adapter import PACE, connect, looks

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.messaging.adapters.adapter import OnMessage


class Blocking:
    """Callbacks, run by `process_data_events`."""

    taking: ClassVar[str] = "process"

    def __init__(self, site: Any) -> None:
        self.connection = connect(site)
        self.channel: Any = self.connection.channel()
        self.channel.confirm_delivery()

    def publish(
        self, queue: str, body: bytes = b"body", properties: Any = None, *, exchange: str = ""
    ) -> None:
        """Publish; pika itself waits for the confirm."""
        self.channel.basic_publish(exchange, queue, body, properties)

    def consume(self, queue: str, on_message: OnMessage, *, auto_ack: bool = False) -> None:
        """Register the callback."""
        self.channel.basic_consume(queue, on_message, auto_ack)

    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Turn the connection's loop."""
        for _ in looks(seconds):
            if until():
                return True
            self.connection.process_data_events(time_limit=PACE)
        return False

    def later(self, action: Callable[[], object]) -> None:
        """Hand the action to the connection's loop."""
        self.connection.add_callback_threadsafe(action)

    def close(self) -> None:
        """Close the connection."""
        with suppress(AMQPError):
            self.connection.close()


class _Pulling(Blocking):
    """Messages are asked for, of one queue; nothing else turns the connection's loop."""

    def __init__(self, site: Any) -> None:
        super().__init__(site)
        self._queue = ""
        self._on_message: OnMessage | None = None
        self._auto_ack = False

    def consume(self, queue: str, on_message: OnMessage, *, auto_ack: bool = False) -> None:
        """Remember what to ask for."""
        self._queue, self._on_message, self._auto_ack = queue, on_message, auto_ack


class Generator(_Pulling):
    """`for method, properties, body in channel.consume(queue)`."""

    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Loop over the queue; the loop's body is the callback."""
        if not self._queue:
            return super().run(until, seconds)
        messages = self.channel.consume(self._queue, auto_ack=self._auto_ack, inactivity_timeout=PACE)
        for _, (method, properties, body) in zip(looks(seconds), messages, strict=False):
            if method is not None:
                self._on_message(self.channel, method, properties, body)
            if until():
                return True
        return bool(until())


class Get(_Pulling):
    """`channel.basic_get(queue)`: the call is a span, what is done with the message is not."""

    taking: ClassVar[str] = "receive"

    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Ask again and again."""
        for _ in looks(seconds):
            if until():
                return True
            if self._queue:
                method, properties, body = self.channel.basic_get(self._queue, self._auto_ack)
                if method is not None:
                    self._on_message(self.channel, method, properties, body)
                    continue
            self.connection.process_data_events(time_limit=PACE)
        return bool(until())
