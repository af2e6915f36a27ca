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
_ARGUMENTS: Final = ("exchange", "routing_key", "body", "properties", "mandatory")
_PROPERTIES: Final = _ARGUMENTS.index("properties")


def publishing(telemetry: Telemetry, confirms: Confirms, *, deferring: bool) -> Callable[[Method], Method]:
    """
    A `basic_publish` for a channel that goes through another.

    A BlockingChannel sees the confirm, if there is one, within the call. One that is `deferring` leaves the
    message to the thread of its connection, which finishes the publish.
    """

    def wrap(original: Method) -> Method:
        def basic_publish(channel: Any, *args: Any, **kwargs: Any) -> Any:
            given = _given(args, kwargs)
            begun = _begin(telemetry, channel, given, marking=True)
            if begun is None:
                if deferring:
                    # The other thread does not know that this one is suppressed.
                    with guarded("leave a publish alone"):
                        args = _put(Publication.unmarked(given[_PROPERTIES]), args, kwargs)
                return original(channel, *args, **kwargs)
            begun.mark(deferred=deferring)
            if deferring:
                confirms.hand_over(channel, begun)
            token = context.attach(begun.context)
            try:
                result = original(channel, *_put(begun.properties, args, kwargs), **kwargs)
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
        def basic_publish(channel: Any, *args: Any, **kwargs: Any) -> Any:
            given = _given(args, kwargs)
            *_, properties, mandatory = given
            above = Publication.taken_from(properties)
            if above is None:
                begun = _begin(telemetry, channel, given)
            else:
                begun = confirms.take_over(channel, above) if above else None
            numbered = confirms.number(channel, begun, returnable=bool(mandatory))
            if begun is None:
                if numbered is None:
                    return original(channel, *args, **kwargs)
                return _untraced(numbered, original, channel, *args, **kwargs)
            token = context.attach(begun.context)
            try:
                result = original(channel, *_put(begun.properties, args, kwargs), **kwargs)
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


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """What a publish was called with, in the order of `_ARGUMENTS`; it is passed on as it came."""
    return (*args[: len(_ARGUMENTS)], *map(kwargs.get, _ARGUMENTS[len(args) :]))


def _put(properties: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """`args` with `properties` in their place, if that is among them; else `kwargs` has them."""
    if len(args) > _PROPERTIES:
        return (*args[:_PROPERTIES], properties, *args[_PROPERTIES + 1 :])
    kwargs["properties"] = properties
    return args


def _begin(
    telemetry: Telemetry, channel: Any, given: tuple[Any, ...], *, marking: bool = False
) -> Publication | None:
    exchange, routing_key, body, properties, mandatory = given
    begun = begin(telemetry, channel, exchange, routing_key, properties, marking=marking)
    hook = telemetry.configuration.publish_hook
    if hook is not None and begun is not None:
        token = context.attach(begun.context)
        try:
            publish = exchange, routing_key, bool(mandatory)
            hooks.publishing(hook, begun.span, publish, begun.properties, body)
        finally:
            context.detach(token)
    return begun


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
