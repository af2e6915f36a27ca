"""A RabbitMQ in the test's own process, for producers and consumers that use pika's BlockingConnection."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from voxtrace.testing.captured import SECOND, CapturedTelemetry
from voxtrace.testing.server import Server

if TYPE_CHECKING:
    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

    from voxtrace.testing.connection import InMemoryBlockingConnection

_NEW_YEAR_2026: Final = 1_767_225_600.0


class InMemoryBroker:
    """
    A broker without a server. Its connections and channels are pika's own; only the wire is not there.

    What it knows of RabbitMQ: queues (server-named, exclusive, auto-delete), exchanges of the four types and
    their bindings, prefetch, confirms and returns, settlement and redelivery, dead letters with `x-death`,
    and the arguments `x-message-ttl`, `x-max-length`, `x-overflow`, `x-dead-letter-exchange`,
    `x-dead-letter-routing-key`, `x-delivery-limit` (quorum queues) and `alternate-exchange`. Other arguments
    are taken and mean nothing; transactions are refused. Nothing is persistent, every password is good.

    Its work is done within the call that asks for it: what was published has been routed when
    `basic_publish` returns.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        on_channel: "Callable[[BlockingChannel], object] | None" = None,
    ) -> None:
        """
        Make an empty broker.

        Args:
            clock: The time in seconds since 1970; messages expire and deaths are dated by it.
            on_channel: Called with every channel that is opened, to instrument it for example.
        """
        self._server = Server(clock)
        self._on_channel = on_channel
        self._connections: list[tuple[threading.Thread, InMemoryBlockingConnection]] = []

    @property
    def now(self) -> float:
        """The broker's time, in seconds since 1970."""
        return self._server.now()

    def connection(self, parameters: Any = None) -> "BlockingConnection":
        """
        Open a connection; it may stand in for `pika.BlockingConnection`.

        Args:
            parameters: pika's, for what the connection says of itself; nothing is looked up or dialled.
        """
        # On use: this module is imported in every pytest run, pika need not be there.
        import pika  # noqa: PLC0415

        from voxtrace.testing.connection import InMemoryBlockingConnection  # noqa: PLC0415

        parameters = parameters or pika.ConnectionParameters("in-memory")
        connection = InMemoryBlockingConnection(self._server, parameters, self._on_channel)
        self._connections.append((threading.current_thread(), connection))
        return connection

    def channel(self) -> "BlockingChannel":
        """Open a channel on a connection of its own."""
        return self.connection().channel()

    def drain(self, *, rounds: int = 1000) -> None:
        """
        Run the callbacks of this thread's connections until there is nothing left for them to do.

        Args:
            rounds: How often each connection may be asked; a round takes at least what was delivered by then.

        Raises:
            RuntimeError: when that is not enough, as where a message is returned and delivered for ever.
        """
        for _ in range(rounds):
            before = self._handled()
            for connection in self._mine():
                if connection.is_open:
                    connection.process_data_events(time_limit=0)
            if self._handled() == before and all(connection.loop.idle for connection in self._mine()):
                return
        raise RuntimeError(
            f"Callbacks still find work after {rounds} rounds. Is a message requeued each time?"
        )

    def advance(self, seconds: float) -> None:
        """Let time pass, for messages that expire and for `call_later`; callbacks run when next asked to."""
        self._server.advance(seconds)

    def drop_connections(self) -> None:
        """Lose every connection, as when the network fails: clients get pika's `StreamLostError`."""
        from pika.exceptions import StreamLostError  # noqa: PLC0415 - as above

        self._server.drop(StreamLostError("Stream connection lost: the in-memory broker dropped it"))

    def close(self) -> None:
        """Close the connections that are still open; to those at work in other threads they are lost."""
        from pika.exceptions import AMQPError  # noqa: PLC0415 - as above

        here = threading.current_thread()
        for thread, connection in self._connections:
            if connection.is_open and (thread is here or not thread.is_alive()):
                # It may be lost, and not know yet.
                with suppress(AMQPError):
                    connection.close()
        self._connections.clear()
        self.drop_connections()

    def _mine(self) -> "list[InMemoryBlockingConnection]":
        here = threading.current_thread()
        return [one for thread, one in self._connections if thread is here and one.is_open]

    def _handled(self) -> int:
        return sum(connection.loop.handled for _, connection in self._connections)


@pytest.fixture
def in_memory_broker(
    telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InMemoryBroker]:
    """
    A broker of this test alone, whose channels are traced into the fixture `telemetry`.

    Its clock stands at the first second of 2026 until `advance` moves it. The time of spans (`time.time_ns`)
    ticks once a second as `telemetry` has it, and moves with `advance` too.
    """
    # On use, as above.
    import opentelemetry.sdk.trace as sdk  # noqa: PLC0415

    from voxtrace.messaging import PikaInstrumentor  # noqa: PLC0415

    def trace(channel: "BlockingChannel") -> None:
        PikaInstrumentor.instrument_channel(
            channel, tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
        )

    tick: Callable[[], int] = vars(sdk)["time_ns"]
    broker = InMemoryBroker(clock=lambda: _NEW_YEAR_2026, on_channel=trace)

    def now() -> int:
        return tick() + round((broker.now - _NEW_YEAR_2026) * SECOND)

    monkeypatch.setattr(sdk, "time_ns", now)
    monkeypatch.setattr(time, "time_ns", now)
    yield broker
    broker.close()
