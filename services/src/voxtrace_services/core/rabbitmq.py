"""The broker seam on RabbitMQ: pika is known here and nowhere else."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pika
from pika.exceptions import AMQPError, NackError
from pika.exceptions import UnroutableError as PikaUnroutableError

from voxtrace_services.core.broker import (
    BrokerError,
    BrokerUnavailableError,
    Delivery,
    Handler,
    Outgoing,
    ReturnedError,
    StopSignal,
    UnroutableError,
)
from voxtrace_services.core.retries import RetryPolicy, attempt, count
from voxtrace_services.core.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pika.adapters.blocking_connection import BlockingChannel

    from voxtrace_services.core.settings import Settings

_log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
_BLOCKED_SECONDS = 300.0
_PUBLISHER_BLOCKED_SECONDS = 10.0
#: How soon a consumer sees that it should stop, or that its channel is gone.
_POLL_SECONDS = 0.2
_BACKOFF_SECONDS = (0.2, 10.0)


class RabbitMQBroker:
    """
    Publishes on one lazily opened connection and consumes on one connection per `consume` call.

    Every message is persistent, mandatory and confirmed. Work runs in a thread of its own, so
    that the connection keeps its heartbeat; it is acknowledged after its results are confirmed.
    """

    def __init__(self, url: str, *, policy: RetryPolicy, heartbeat: int = 60, grace: float = 20.0) -> None:
        """
        Describe the broker; nothing is dialled yet.

        Args:
            url: An AMQP URL.
            policy: What becomes of failed deliveries; its delays are part of the topology.
            heartbeat: Seconds between heartbeats.
            grace: Seconds that running work is given to finish once told to stop.
        """
        self._url = url
        self._policy = policy
        self._topology = Topology(policy.delays)
        self._heartbeat = heartbeat
        self._grace = grace
        self._lock = threading.Lock()
        self._publishing: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._consumers: dict[str, bool] = {}

    def publish(self, message: Outgoing) -> None:
        """Publish one message and return once the broker has confirmed it."""
        with self._lock:
            try:
                with _translated():
                    _publish(self._publisher(), message)
            except BrokerUnavailableError:
                self._drop_publisher()
                raise

    def consume(self, queue: str, handler: Handler, stop: StopSignal) -> None:
        """Feed deliveries to `handler` until `stop`; reconnects for as long as it takes."""
        # One piece of work at a time even when the connection it came by is gone.
        busy = threading.Lock()
        failures = 0
        while not stop.is_set():
            self._consumers[queue] = False
            try:
                with _translated(), self._connected(_BLOCKED_SECONDS) as connection:
                    session = _Session(
                        connection, queue, partial(self._policy.process, handler=handler), busy
                    )
                    self._declare(session.channel)
                    session.start()
                    self._consumers[queue] = True
                    failures = 0
                    _log.info("consuming", extra={"queue": queue})
                    session.run(stop)
                    session.drain(self._grace)
            except BrokerError as error:
                self._consumers[queue] = False
                pause = _backoff(failures)
                failures += 1
                _log.warning(
                    "broker lost",
                    extra={"queue": queue, "error_type": type(error).__name__, "pause_seconds": pause},
                )
                stop.wait(pause)
        self._consumers.pop(queue, None)

    def check(self) -> None:
        """Raise BrokerUnavailableError unless consumers are connected or, without any, the broker answers."""
        # A copy: the consuming thread writes while a health check reads.
        consumers = dict(self._consumers)
        lost = [queue for queue, connected in consumers.items() if not connected]
        if lost:
            raise BrokerUnavailableError(f"not consuming {', '.join(lost)}: is RabbitMQ up?")
        if not consumers:
            with _translated(), self._connected(_PUBLISHER_BLOCKED_SECONDS):
                return

    def close(self) -> None:
        """Let go of the publishing connection."""
        with self._lock:
            self._drop_publisher()

    def _publisher(self) -> BlockingChannel:
        if self._publishing is not None:
            # Nobody answers heartbeats between two publishes: find out now whether
            # the broker has given up on this connection.
            try:
                self._publishing.process_data_events(time_limit=0)
            except (AMQPError, OSError):
                self._drop_publisher()
        if self._channel is None or not self._channel.is_open:
            self._drop_publisher()
            self._publishing = self._connect(_PUBLISHER_BLOCKED_SECONDS)
            self._channel = self._publishing.channel()
            self._channel.confirm_delivery()
            self._declare(self._channel)
        return self._channel

    def _drop_publisher(self) -> None:
        connection, self._publishing, self._channel = self._publishing, None, None
        if connection is not None:
            with suppress(AMQPError, OSError):
                connection.close()

    def _connect(self, blocked: float) -> pika.BlockingConnection:
        parameters = pika.URLParameters(self._url)
        parameters.heartbeat = self._heartbeat
        parameters.connection_attempts = 1
        parameters.socket_timeout = parameters.stack_timeout = _CONNECT_SECONDS
        parameters.blocked_connection_timeout = blocked
        return pika.BlockingConnection(parameters)

    @contextmanager
    def _connected(self, blocked: float) -> Iterator[pika.BlockingConnection]:
        connection = self._connect(blocked)
        try:
            yield connection
        finally:
            with suppress(AMQPError, OSError):
                connection.close()

    def _declare(self, channel: BlockingChannel) -> None:
        for exchange in self._topology.exchanges:
            channel.exchange_declare(exchange.name, exchange.type, durable=True)
        for queue in self._topology.queues:
            channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
            channel.queue_bind(queue.name, queue.exchange, queue.routing_key)


def open_broker(settings: Settings) -> RabbitMQBroker:
    """The broker that the settings name."""
    return RabbitMQBroker(
        settings.amqp_url,
        policy=RetryPolicy(settings.retry_delays),
        heartbeat=settings.amqp_heartbeat_seconds,
        grace=settings.shutdown_grace_seconds,
    )


@dataclass
class _Session:
    """One connection's worth of consuming; everything but the work happens in the caller's thread."""

    connection: pika.BlockingConnection
    queue: str
    process: Any
    busy: threading.Lock
    channel: BlockingChannel = field(init=False)
    running: int | None = None
    cancelled: bool = False

    def __post_init__(self) -> None:
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.channel.basic_qos(prefetch_count=1)
        self.channel.add_on_cancel_callback(self._cancelled)

    def start(self) -> None:
        self.tag = self.channel.basic_consume(self.queue, self._received)

    def run(self, stop: StopSignal) -> None:
        while not stop.is_set():
            self._turn()
            if self.cancelled or not self.channel.is_open:
                raise BrokerUnavailableError(f"the broker ended the consumer of {self.queue}")

    def drain(self, grace: float) -> None:
        """Finish the running work within `grace` seconds, or give it back."""
        deadline = time.monotonic() + grace
        self.channel.basic_cancel(self.tag)
        while self.running is not None and time.monotonic() < deadline:
            self._turn()
        if self.running is not None:
            _log.warning("gave back", extra={"queue": self.queue, "grace_seconds": grace})
            self._give_back(self.running)

    def _turn(self) -> None:
        self.connection.process_data_events(time_limit=_POLL_SECONDS)

    def _cancelled(self, _frame: Any) -> None:
        self.cancelled = True

    def _received(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self.running = method.delivery_tag
        delivery = _delivery(self.queue, method, properties, body)
        # A daemon: work that outlives its grace was given back and must not hold up the exit.
        threading.Thread(
            target=self._work, args=(method.delivery_tag, delivery), name=f"work-{self.queue}", daemon=True
        ).start()

    def _work(self, tag: int, delivery: Delivery) -> None:
        with self.busy:
            try:
                settle = partial(self._settle, tag, self.process(delivery))
            except ReturnedError:
                settle = partial(self._give_back, tag)
        # A connection that is gone takes the delivery back: it comes again and finds the work done.
        with suppress(AMQPError):
            self.connection.add_callback_threadsafe(settle)

    def _settle(self, tag: int, results: Sequence[Outgoing]) -> None:
        if tag != self.running or not self.channel.is_open:
            return  # given back meanwhile
        for message in results:
            _publish(self.channel, message)
        self.channel.basic_ack(tag)
        self.running = None

    def _give_back(self, tag: int) -> None:
        if tag == self.running and self.channel.is_open:
            # nack says "not now" where reject says "failed" (RabbitMQ 4.3 counts the two apart).
            self.channel.basic_nack(tag, requeue=True)
        self.running = None


def _publish(channel: BlockingChannel, message: Outgoing) -> None:
    channel.basic_publish(
        message.exchange,
        message.routing_key,
        message.body,
        pika.BasicProperties(
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            type=message.type,
            headers=dict(message.headers),
        ),
        mandatory=True,
    )


def _delivery(queue: str, method: Any, properties: Any, body: bytes) -> Delivery:
    headers: Mapping[str, Any] = properties.headers or {}
    return Delivery(
        body=body,
        routing_key=method.routing_key,
        queue=queue,
        message_id=properties.message_id,
        correlation_id=properties.correlation_id,
        type=properties.type,
        headers=headers,
        redelivered=method.redelivered,
        attempt=attempt(headers),
        returned=count(headers, "x-delivery-count"),
    )


def _backoff(failures: int) -> float:
    least, most = _BACKOFF_SECONDS
    jitter = random.uniform(0.5, 1.0)  # noqa: S311  spreads reconnects, guards nothing
    return jitter * float(min(most, least * 2 ** min(failures, 10)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PikaUnroutableError as error:
        raise UnroutableError("no queue takes this message: is the topology declared?") from error
    except NackError as error:
        raise BrokerUnavailableError("the broker refused the message: is a queue full?") from error
    except (AMQPError, OSError) as error:
        raise BrokerUnavailableError(f"no RabbitMQ connection ({type(error).__name__}): is it up?") from error
