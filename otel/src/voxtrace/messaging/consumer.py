"""A message reaches a callback."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context
from opentelemetry.context import Context

from voxtrace._guard import guarded, report
from voxtrace.messaging import arrival, hooks, intake, names
from voxtrace.messaging.delivery import Delivery, Passing
from voxtrace.messaging.ledger import Ledger
from voxtrace.messaging.propagation import Correlation, lasting, suppressed
from voxtrace.messaging.telemetry import Telemetry

Method = Callable[..., Any]
OnMessage = Callable[[Any, Any, Any, Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One `basic_consume`: remembers its queue, since a delivery does not name it."""

    telemetry: Telemetry
    ledger: Ledger
    queue: str
    auto_ack: bool
    correlation: Correlation = "parent"
    detached: bool = False
    """Its callbacks run in the context that their connection was made in, whose span is no circumstance."""

    def traced(self, callback: OnMessage) -> OnMessage:
        """A callback that runs `callback` exactly once, inside the message's span."""

        @functools.wraps(callback, updated=())
        def on_message(channel: Any, method: Any, properties: Any, body: Any) -> Any:
            delivery = self.begin(channel, method, properties, body)
            if delivery is None:
                return callback(channel, method, properties, body)
            token = context.attach(delivery.context)
            try:
                result = callback(channel, method, properties, body)
            except BaseException as error:
                delivery.raised(error)
                raise
            else:
                delivery.returned()
                return result
            finally:
                context.detach(token)

        return on_message

    def begin(
        self, channel: Any, method: Any, properties: Any, body: Any = None
    ) -> Delivery | Passing | None:
        """Starts the span of a message; None where it is not to be traced."""
        try:
            arrived = arrival.take(method)
            current = context.get_current()
            if self.detached:
                current = lasting(current)
            return self._begin(current, channel, method, properties, body, names.PROCESS, None, arrived)
        except Exception as error:  # noqa: BLE001 - as `guarded` does
            report("start the span of a delivered message", error)
        return None

    def received(  # noqa: PLR0917 - a callback's arguments, and two more
        self, channel: Any, method: Any, properties: Any, body: Any, current: Context, started: int
    ) -> Delivery | None:
        """Writes the span of a call that got a message; None where it is not to be traced."""
        with guarded("write the span of a message that was got"):
            delivery = self._begin(current, channel, method, properties, body, names.RECEIVE, started, None)
            if not isinstance(delivery, Delivery):
                return None
            # What becomes of the message is told by its settlement, for which it stays in the ledger.
            delivery.abandon()
            return delivery
        return None

    def _begin(  # noqa: PLR0917 - as above
        self,
        current: Context,
        channel: Any,
        method: Any,
        properties: Any,
        body: Any,
        operation: str,
        started: int | None,
        arrived: int | None,
    ) -> Delivery | Passing | None:
        selection = self.telemetry.selection
        if selection.excludes and selection.excludes_exchange(method.exchange):
            return None
        if not self.telemetry.enabled or suppressed(current):
            return None
        delivery = intake.begin(
            self.ledger,
            current,
            channel,
            method,
            properties,
            queue=self.queue,
            auto_ack=self.auto_ack,
            operation=operation,
            correlation=self.correlation,
            started=started,
            arrived=arrived,
        )
        configuration = self.telemetry.configuration
        hooked = configuration.process_hook is not None or configuration.response_hook is not None
        if hooked and isinstance(delivery, Delivery):
            self._show(delivery, method, properties, body)
        return delivery

    def _show(self, delivery: Delivery, method: Any, properties: Any, body: Any) -> None:
        configuration = self.telemetry.configuration
        if configuration.response_hook is not None:
            delivery.respond = hooks.responding(
                configuration.response_hook, delivery.span, method, properties, body
            )
        if configuration.process_hook is not None:
            hooks.processing(configuration.process_hook, delivery.span, method, properties, body)


def consuming(telemetry: Telemetry, ledger: Ledger) -> Callable[[Method], Method]:
    """A `basic_consume` whose callback is traced."""

    def wrap(original: Method) -> Method:
        def basic_consume(channel: Any, *args: Any, **kwargs: Any) -> Any:
            queue = args[0] if args else kwargs.get("queue")
            callback: Any = args[1] if len(args) > 1 else kwargs.get("on_message_callback")
            auto_ack = args[2] if len(args) > 2 else kwargs.get("auto_ack", False)  # noqa: PLR2004 - its place
            if pikas_own(callback):
                if not telemetry.selection.excludes_queue(queue):
                    callback = arrival.stamping(callback)
                    if not auto_ack:
                        ledger.watch(channel)
            elif callable(callback):
                consumer = consumer_of(telemetry, ledger, channel, queue, auto_ack)
                if consumer is not None:
                    callback = consumer.traced(callback)
            if len(args) > 1:
                args = (queue, callback, *args[2:])
            elif "on_message_callback" in kwargs:
                kwargs["on_message_callback"] = callback
            return original(channel, *args, **kwargs)

        return basic_consume

    return wrap


def consumer_of(
    telemetry: Telemetry, ledger: Ledger, channel: Any, queue: object, auto_ack: object
) -> Consumer | None:
    """Who takes messages from `queue` on `channel`; None where they are not to be traced."""
    if telemetry.selection.excludes_queue(queue):
        return None
    name = queue if isinstance(queue, str) else ""
    return Consumer(
        telemetry=telemetry,
        ledger=ledger,
        queue=name,
        auto_ack=bool(auto_ack),
        correlation=telemetry.selection.correlation(name),
        detached=_detached(channel),
    )


def pikas_own(callback: object) -> bool:
    """True for the callbacks with which a BlockingChannel or the like consumes from the channel below it."""
    module = getattr(callback, "__module__", None)
    return isinstance(module, str) and module.startswith("pika.")


def _detached(channel: Any) -> bool:
    """True where callbacks do not run in a caller's context, but in one that pika's thread or loop keeps."""
    classes = (*type(channel).__mro__, *type(getattr(channel, "connection", None)).__mro__)
    return any(cls.__module__ in _DETACHED for cls in classes)


_DETACHED: Final = frozenset(
    f"pika.adapters.{name}_connection" for name in ("asyncio", "thread_safe", "tornado")
)
