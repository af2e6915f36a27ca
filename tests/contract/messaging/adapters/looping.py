"""The adapters whose every call answers by callback: Select and Asyncio."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.select_connection import SelectConnection

from contract.messaging.adapters.adapter import PACE, looks

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.messaging.adapters.adapter import OnMessage

PATIENCE = 20.0
"""Seconds that connecting, a confirm or closing may take."""


class _Looping(ABC):
    """A connection whose loop turns only while a scenario waits for something."""

    taking: ClassVar[str] = "process"

    def __init__(self, site: Any) -> None:
        self.channel: Any = None
        self._ready = False
        self._published = self._confirmed = 0
        self.connection = self._connect(pika.URLParameters(site), self._on_open)
        assert self.run(lambda: self._ready, PATIENCE), "no connection"

    @abstractmethod
    def _connect(self, parameters: pika.URLParameters, on_open: Callable[[Any], None]) -> Any:
        """Begin to connect."""

    @abstractmethod
    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Turn the loop."""

    @abstractmethod
    def later(self, action: Callable[[], object]) -> None:
        """Hand the action to the loop."""

    @abstractmethod
    def _discard(self) -> None:
        """Put the loop away."""

    def publish(
        self, queue: str, body: bytes = b"body", properties: Any = None, *, exchange: str = ""
    ) -> None:
        """Publish, and turn the loop until the confirm is there."""
        confirmed = self._confirmed
        self.channel.basic_publish(exchange, queue, body, properties)
        assert self.run(lambda: self._confirmed > confirmed, PATIENCE), "no confirm"

    def consume(self, queue: str, on_message: OnMessage, *, auto_ack: bool = False) -> None:
        """Register the callback."""
        self.channel.basic_consume(queue, on_message, auto_ack)

    def close(self) -> None:
        """Close the connection and its loop."""
        if self.connection.is_open:
            self.connection.close()
        self.run(lambda: self.connection.is_closed, PATIENCE)
        self._discard()

    def _on_open(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Any) -> None:
        self.channel = channel
        channel.confirm_delivery(self._on_confirm, self._on_confirming)

    def _on_confirm(self, frame: Any) -> None:
        self._confirmed = frame.method.delivery_tag

    def _on_confirming(self, _frame: Any) -> None:
        self._ready = True


class Select(_Looping):
    """SelectConnection, with its own loop."""

    def _connect(self, parameters: pika.URLParameters, on_open: Callable[[Any], None]) -> Any:
        return SelectConnection(parameters, on_open_callback=on_open)

    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Start the loop, look now and then, stop it."""
        loop, deadline = self.connection.ioloop, time.monotonic() + seconds

        def look() -> None:
            if until() or time.monotonic() > deadline:
                loop.stop()
            else:
                loop.call_later(PACE, look)

        loop.add_callback_threadsafe(look)
        loop.start()
        return bool(until())

    def later(self, action: Callable[[], object]) -> None:
        """Hand the action to the loop."""
        self.connection.ioloop.add_callback_threadsafe(action)

    def _discard(self) -> None:
        self.connection.ioloop.close()


class Asyncio(_Looping):
    """AsyncioConnection, on an event loop of its own."""

    def _connect(self, parameters: pika.URLParameters, on_open: Callable[[Any], None]) -> Any:
        self._loop = asyncio.new_event_loop()
        return AsyncioConnection(parameters, on_open_callback=on_open, custom_ioloop=self._loop)

    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Run a task that looks now and then."""

        async def look() -> bool:
            for _ in looks(seconds):
                if until():
                    return True
                await asyncio.sleep(PACE)
            return False

        return self._loop.run_until_complete(look())

    def later(self, action: Callable[[], object]) -> None:
        """Hand the action to the loop."""
        self._loop.call_soon_threadsafe(action)

    def _discard(self) -> None:
        self._loop.close()
