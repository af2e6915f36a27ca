"""pika on an in-memory wire: its own connection and channels, with a loop that needs no socket."""

import functools
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

# By its own name: pika's may be replaced by the time this is imported.
from pika.adapters.blocking_connection import BlockingConnection
from pika.connection import Connection

from voxtrace.testing.sessions import Session

if TYPE_CHECKING:
    from voxtrace.testing.server import Server


class Loop:
    """
    As much of pika's IOLoop as a BlockingConnection uses; it sleeps until the broker has news.

    Attributes:
        handled: How much it has passed on so far, frames and callbacks.
    """

    def __init__(self, server: "Server", session: Session) -> None:
        self._server = server
        self._session = session
        self._callbacks: deque[Callable[[], Any]] = deque()
        self._timers: list[tuple[float, int, Callable[[], Any]]] = []
        self._numbers = itertools.count()
        self.handled = 0
        self.received: Callable[[bytes | Exception], None] = lambda _: None

    @property
    def idle(self) -> bool:
        """True where nothing has arrived and nothing is due."""
        return not (self._session.outbox or self._callbacks or self._remaining() == 0)

    def poll(self) -> None:
        """Waits for bytes, callbacks or timers, and hands the bytes on."""
        server, arrived = self._server, list[bytes | Exception]()
        with server.changed:
            server.pass_on()
            while self.idle:
                server.changed.wait(self._patience())
                server.pass_on()
            arrived.extend(self._session.outbox)
            self._session.outbox.clear()
        for data in arrived:
            self.handled += 1
            self.received(data)

    def process_timeouts(self) -> None:
        """Runs the callbacks and timers that are due, and none that these add."""
        for _ in range(len(self._callbacks)):
            self.handled += 1
            self._callbacks.popleft()()
        now = self._server.elapsed()
        due = []
        while self._timers and self._timers[0][0] <= now:
            due.append(heapq.heappop(self._timers))
        for _, _, callback in due:
            callback()

    def call_later(self, delay: float, callback: Callable[[], Any]) -> object:
        """Runs a callback in so many seconds; returns what it is taken back by."""
        if delay < 0:
            raise ValueError(f"call_later: delay must be non-negative, but got {delay!r}")
        timer = (self._server.elapsed() + delay, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def remove_timeout(self, timer: Any) -> None:
        """Takes a callback back, if it did not run."""
        if timer in self._timers:
            self._timers.remove(timer)
            heapq.heapify(self._timers)

    def add_callback_threadsafe(self, callback: Callable[[], Any]) -> None:
        """Runs a callback soon, in the thread of this loop."""
        with self._server.changed:
            self._callbacks.append(callback)
            self._server.changed.notify_all()

    def close(self) -> None:
        """Forgets what is left to do."""
        self._callbacks.clear()
        self._timers.clear()

    def activate_poller(self) -> None:
        """There is nothing to switch on."""

    def deactivate_poller(self) -> None:
        """There is nothing to switch off."""

    def _remaining(self) -> float | None:
        return max(0.0, self._timers[0][0] - self._server.elapsed()) if self._timers else None

    def _patience(self) -> float | None:
        waits = [wait for wait in (self._remaining(), self._server.until_expiry()) if wait is not None]
        return min(waits, default=None)


class InMemoryConnection(Connection):  # type: ignore[misc]  # pika has no types
    """pika's callback-style connection, with a broker in the same process at its other end."""

    def __init__(self, server: "Server", parameters: Any) -> None:
        self._transport = None  # nothing is ever buffered: a BlockingConnection need not wait for it
        self._server = server
        self._session = server.accept()
        self.ioloop = Loop(server, self._session)
        self.ioloop.received = self._on_received
        super().__init__(parameters, internal_connection_workflow=False)

    def open(self) -> "InMemoryConnection":
        """Says hello, and waits until the broker has answered."""
        self._on_stream_connected()
        while not self.is_open:
            self.ioloop.poll()
        return self

    def _on_received(self, data: bytes | Exception) -> None:
        if isinstance(data, bytes):
            self._on_data_available(data)
        else:
            self._on_stream_terminated(data)

    def _adapter_emit_data(self, data: bytes) -> None:
        with self._server.changed:
            self._session.receive(data)
            self._server.changed.notify_all()

    def _adapter_call_later(self, delay: float, callback: Callable[[], Any]) -> object:
        return self.ioloop.call_later(delay, callback)

    def _adapter_remove_timeout(self, timeout_id: object) -> None:
        self.ioloop.remove_timeout(timeout_id)

    def _adapter_add_callback_threadsafe(self, callback: Callable[[], Any]) -> None:
        self.ioloop.add_callback_threadsafe(callback)

    def _adapter_connect_stream(self) -> None:
        """Nothing: `open` does it."""

    def _adapter_disconnect_stream(self) -> None:
        with self._server.changed:
            self._session.end()
            self._server.changed.notify_all()
        self.ioloop.add_callback_threadsafe(functools.partial(self._on_stream_terminated, None))


class _Adapter:
    """What a BlockingConnection takes for the class of its connection."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    def create_connection(
        self, connection_configs: Sequence[Any], on_done: Callable[[Any], None], custom_ioloop: Any
    ) -> None:
        custom_ioloop.close()
        on_done(InMemoryConnection(self._server, connection_configs[0]).open())


class InMemoryBlockingConnection(BlockingConnection):  # type: ignore[misc]  # pika has no types
    """pika's BlockingConnection to an in-memory broker."""

    def __init__(self, server: "Server", parameters: Any, on_channel: Callable[[Any], object] | None) -> None:
        self._on_channel = on_channel
        super().__init__(parameters, _impl_class=_Adapter(server))

    @property
    def loop(self) -> Loop:
        """The loop this connection runs on."""
        loop: Loop = self._impl.ioloop
        return loop

    def channel(self, channel_number: int | None = None) -> Any:
        """Opens a channel and passes it on to `on_channel`."""
        channel = super().channel(channel_number)
        if self._on_channel is not None:
            self._on_channel(channel)
        return channel
