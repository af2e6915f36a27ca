"""Messages that are asked for: by `basic_get`, and by stepping through `consume()`."""

import functools
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import context
from opentelemetry.context import Context  # noqa: TC002 - as its neighbours

from voxtrace._guard import guarded
from voxtrace.messaging.consumer import Consumer, OnMessage, consumer_of, pikas_own
from voxtrace.messaging.delivery import Delivery, Passing
from voxtrace.messaging.ledger import Ledger
from voxtrace.messaging.telemetry import Telemetry

Method = Callable[..., Any]


class Step:
    """The body of a loop over `consume()` at one message: its context is current while the body runs."""

    def __init__(self, delivery: Delivery | Passing) -> None:
        self._delivery: Delivery | Passing | None = delivery
        self._before = context.get_current()
        self._inside: Context | None = delivery.context
        context.attach(self._inside)

    def leave(self) -> None:
        """
        Says that the body is done, and puts back the context from before it; more than once is once.

        Each by itself: the body may be declared done in another thread than the one that has its context.
        """
        with guarded("leave the context of a message"):
            # By value, for a generator may be resumed or closed where its token is not valid: in another
            # thread, or from the garbage collector. What somebody else made current there stays.
            if self._inside is not None and context.get_current() is self._inside:
                self._inside = None
                context.attach(self._before)
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.returned()

    def raised(self, error: BaseException) -> None:
        """Says that the body threw into the generator."""
        if self._delivery is not None:
            self._delivery.raised(error)


class Reception:
    """What is replaced of the methods by which messages are asked for."""

    def __init__(self, telemetry: Telemetry, ledger: Ledger) -> None:
        self._telemetry = telemetry
        self._ledger = ledger
        # A loop that was broken out of keeps its generator, as long as somebody holds it.
        self._steps: WeakKeyDictionary[Any, Step] = WeakKeyDictionary()

    def getting(self, original: Method) -> Method:
        """A `basic_get` that traces the call, if there was a message."""

        def basic_get(channel: Any, *args: Any, **kwargs: Any) -> Any:
            queue = args[0] if args else kwargs.get("queue")
            callback = args[1] if len(args) > 1 else kwargs.get("callback")
            if callable(callback):
                auto_ack = args[2] if len(args) > 2 else kwargs.get("auto_ack", False)  # noqa: PLR2004 - its place
                traced = self._traced(callback, channel, queue, auto_ack)
                if len(args) > 1:
                    args = (queue, traced, *args[2:])
                else:
                    kwargs["callback"] = traced
                return original(channel, *args, **kwargs)
            started, current = time.time_ns(), context.get_current()
            message = original(channel, *args, **kwargs)
            with guarded("trace a message that was got"):
                method, properties, body = message
                if method is not None:
                    auto_ack = args[1] if len(args) > 1 else kwargs.get("auto_ack", False)
                    consumer = consumer_of(self._telemetry, self._ledger, channel, queue, auto_ack)
                    if consumer is not None:
                        consumer.received(channel, method, properties, body, current, started)
            return message

        return basic_get

    def _traced(self, callback: OnMessage, channel: Any, queue: Any, auto_ack: Any) -> OnMessage:
        if pikas_own(callback):
            if not auto_ack:
                self._ledger.watch(channel)
            return callback
        consumer = consumer_of(self._telemetry, self._ledger, channel, queue, auto_ack)
        if consumer is None:
            return callback
        started, current = time.time_ns(), context.get_current()

        @functools.wraps(callback, updated=())
        def on_message(channel: Any, method: Any, properties: Any, body: Any) -> Any:
            delivery = consumer.received(channel, method, properties, body, current, started)
            if delivery is None:
                return callback(channel, method, properties, body)
            token = context.attach(delivery.context)
            try:
                return callback(channel, method, properties, body)
            finally:
                context.detach(token)

        return on_message

    def stepping(self, original: Method) -> Method:
        """A `consume` that traces each message from one step to the next."""

        def consume(channel: Any, *args: Any, **kwargs: Any) -> Any:
            messages = original(channel, *args, **kwargs)
            queue = args[0] if args else kwargs.get("queue")
            auto_ack = args[1] if len(args) > 1 else kwargs.get("auto_ack", False)
            consumer = consumer_of(self._telemetry, self._ledger, channel, queue, auto_ack)
            return messages if consumer is None else self._steps_through(messages, consumer, channel)

        return consume

    def cancelling(self, original: Method) -> Method:
        """A `cancel` that ends the step that `consume` is at."""

        def cancel(channel: Any, *args: Any, **kwargs: Any) -> Any:
            self._leave(channel)
            return original(channel, *args, **kwargs)

        return cancel

    def abandon(self) -> None:
        """Ends every step."""
        for channel in list(self._steps):
            self._leave(channel)

    def _steps_through(
        self, messages: Iterator[Any], consumer: Consumer, channel: Any
    ) -> Generator[Any, None, None]:
        step: Step | None = None
        try:
            self._leave(channel)
            for message in messages:
                method, properties, body = message
                step = None
                delivery = None if method is None else consumer.begin(channel, method, properties, body)
                if delivery is not None:
                    step = self._steps[channel] = Step(delivery)
                yield message
                if step is not None:
                    step.leave()
        except GeneratorExit:
            raise
        except BaseException as error:
            if step is not None:
                step.raised(error)
            raise
        finally:
            if step is not None:
                step.leave()
            messages.close()  # type: ignore[attr-defined]  # a generator

    def _leave(self, channel: Any) -> None:
        step = self._steps.pop(channel, None)
        if step is not None:
            step.leave()
