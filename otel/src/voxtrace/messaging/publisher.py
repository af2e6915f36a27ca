"""A message is published: on the channel that the user has, and on pika's callback-style one below it."""

import functools
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import context

from voxtrace._guard import guarded
from voxtrace.messaging import hooks
from voxtrace.messaging.confirms import Confirms, Unanswered
from voxtrace.messaging.publication import Publication, begin
from voxtrace.messaging.telemetry import Telemetry

Method = Callable[..., Any]

_BLOCKING: Final = "pika.adapters.blocking_connection"


def publishing(telemetry: Telemetry, confirms: Confirms, *, deferring: bool) -> Callable[[Method], Method]:
    """
    A `basic_publish` for a channel that goes through another.

    A BlockingChannel sees the confirm, if there is one, within the call. One that is `deferring` leaves the
    message to the thread of its connection, which finishes the publish.
    """

    def wrap(original: Method) -> Method:
        def basic_publish(
            channel: Any,
            exchange: Any,
            routing_key: Any,
            body: Any,
            properties: Any = None,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            begun = _begin(telemetry, channel, exchange, routing_key, body, properties, args, kwargs)
            if begun is None:
                if deferring:
                    # The other thread does not know that this one is suppressed.
                    with guarded("leave a publish alone"):
                        properties = Publication.unmarked(properties)
                return original(channel, exchange, routing_key, body, properties, *args, **kwargs)
            begun.mark(deferred=deferring)
            if deferring:
                confirms.hand_over(channel, begun)
            token = context.attach(begun.context)
            try:
                result = original(channel, exchange, routing_key, body, begun.properties, *args, **kwargs)
            except BaseException as error:
                if deferring:
                    confirms.give_up(channel, begun)
                begun.finish(error)
                raise
            else:
                if deferring:
                    confirms.handed_over(channel, begun)
                else:
                    begun.finish()
                return result
            finally:
                context.detach(token)

        return basic_publish

    return wrap


def sending(telemetry: Telemetry, confirms: Confirms) -> Callable[[Method], Method]:
    """A `basic_publish` for pika's callback-style channel, which every adapter ends up at."""

    def wrap(original: Method) -> Method:
        def basic_publish(
            channel: Any,
            exchange: Any,
            routing_key: Any,
            body: Any,
            properties: Any = None,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            above = Publication.taken_from(properties)
            if above is None:
                begun = _begin(telemetry, channel, exchange, routing_key, body, properties, args, kwargs)
            else:
                begun = confirms.take_over(channel, above) if above else None
            numbered = confirms.number(channel, begun, returnable=_mandatory(args, kwargs))
            if begun is None:
                if numbered is None:
                    return original(channel, exchange, routing_key, body, properties, *args, **kwargs)
                return _untraced(
                    numbered, original, channel, exchange, routing_key, body, properties, *args, **kwargs
                )
            token = context.attach(begun.context)
            try:
                result = original(channel, exchange, routing_key, body, begun.properties, *args, **kwargs)
            except BaseException as error:
                if numbered is not None:
                    numbered.unsent()
                begun.finish(error)
                raise
            else:
                if not begun.awaited:
                    begun.finish()
                return result
            finally:
                context.detach(token)

        return basic_publish

    return wrap


def _begin(  # noqa: PLR0917 - what pika's method takes
    telemetry: Telemetry,
    channel: Any,
    exchange: Any,
    routing_key: Any,
    body: Any,
    properties: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Publication | None:
    begun = begin(telemetry, channel, exchange, routing_key, properties)
    hook = telemetry.configuration.publish_hook
    if hook is not None and begun is not None:
        token = context.attach(begun.context)
        try:
            publish = exchange, routing_key, _mandatory(args, kwargs)
            hooks.publishing(hook, begun.span, publish, begun.properties, body)
        finally:
            context.detach(token)
    return begun


def _mandatory(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return bool(args[0] if args else kwargs.get("mandatory"))


def _untraced(numbered: Unanswered, original: Method, *args: Any, **kwargs: Any) -> Any:
    try:
        return original(*args, **kwargs)
    except BaseException:
        numbered.unsent()
        raise


def confirming(confirms: Confirms) -> Callable[[Method], Method]:
    """A `confirm_delivery` whose callback tells us first."""

    def wrap(original: Method) -> Method:
        def confirm_delivery(channel: Any, *args: Any, **kwargs: Any) -> Any:
            callback = args[0] if args else kwargs.get("ack_nack_callback")
            # A BlockingChannel waits for each confirm by itself, within the publish.
            if not callable(callback) or getattr(callback, "__module__", None) == _BLOCKING:
                return original(channel, *args, **kwargs)

            @functools.wraps(callback, updated=())
            def on_answer(frame: Any) -> Any:
                confirms.answered(channel, frame.method)
                return callback(frame)

            if args:
                args = (on_answer, *args[1:])
            else:
                kwargs["ack_nack_callback"] = on_answer
            result = original(channel, *args, **kwargs)
            confirms.expect(channel)
            return result

        return confirm_delivery

    return wrap
