"""What is replaced in pika: methods of its classes, or of one channel."""

import functools
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import MethodType
from typing import Any, Final

from opentelemetry import context

from voxtrace._guard import guarded
from voxtrace.messaging import settlement
from voxtrace.messaging.confirms import Confirms
from voxtrace.messaging.consumer import consuming
from voxtrace.messaging.ledger import Ledger
from voxtrace.messaging.publisher import confirming, publishing, sending
from voxtrace.messaging.reception import Reception
from voxtrace.messaging.route import transport
from voxtrace.messaging.telemetry import Telemetry

Method = Callable[..., Any]
Wrap = Callable[[Method], Method]

_ABSENT: Final = object()
_THREAD_SAFE: Final = "pika.adapters.thread_safe_connection"
_ORIGINAL: Final = "_voxtrace_original"


class Patch:
    """One method of a class or of an object, replaced by a wrapper."""

    def __init__(self, owner: Any, name: str, wrap: Wrap) -> None:
        self._owner, self._name = owner, name
        self._own = vars(owner).get(name, _ABSENT)
        # A class must have the method itself: a pika that moved it is one we do not know.
        original = vars(owner)[name] if isinstance(owner, type) else _function(owner, name)
        wrapper = functools.wraps(original)(wrap(original))
        setattr(wrapper, _ORIGINAL, original)
        self._replacement: Any = wrapper if isinstance(owner, type) else MethodType(wrapper, owner)

    def apply(self) -> None:
        """Puts the wrapper in place."""
        setattr(self._owner, self._name, self._replacement)

    def revert(self) -> None:
        """Puts the original back, unless someone wrapped our wrapper: it passes calls on untouched then."""
        if vars(self._owner).get(self._name) is self._replacement:
            if self._own is _ABSENT:
                delattr(self._owner, self._name)
            else:
                setattr(self._owner, self._name, self._own)


class Instrumentation:
    """What was replaced for whom: the patches, and what they write to."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self.ledger = Ledger(telemetry)
        self.confirms = Confirms(telemetry)
        self.reception = Reception(telemetry, self.ledger)
        self._patches: list[Patch] = []

    def apply(self, patches: list[Patch]) -> None:
        """Puts the patches in place."""
        for patch in patches:
            patch.apply()
            self._patches.append(patch)

    def revert(self) -> None:
        """Puts everything back and ends the spans still open; what wraps a wrapper of ours traces nothing."""
        steps = [patch.revert for patch in self._patches]
        self._patches.clear()
        steps += [
            self.telemetry.disable,
            self.reception.abandon,
            self.ledger.abandon,
            self.confirms.abandon,
        ]
        # Each by itself: what one cannot put back is no reason to leave the rest.
        for step in steps:
            with guarded("put pika back"):
                step()


def of_pika(instrumentation: Instrumentation) -> list[Patch]:
    """
    The patches that trace every channel of the process.

    Raises:
        ImportError, AttributeError, KeyError: This pika is not one that we know.
    """
    blocking = import_module("pika.adapters.blocking_connection")
    select = import_module("pika.adapters.select_connection")
    channel = import_module("pika.channel").Channel
    patches = [
        *_of(
            blocking.BlockingChannel,
            _layered(instrumentation) | _stepped(instrumentation) | _flushed(instrumentation),
        ),
        *_of(channel, _transport(instrumentation)),
        Patch(blocking.BlockingConnection, "add_callback_threadsafe", carrying_context),
        # The loop of a SelectConnection and of the thread-safe adapter; asyncio's carries context by itself.
        Patch(select.IOLoop, "add_callback_threadsafe", carrying_context),
    ]
    if find_spec(_THREAD_SAFE) is not None:
        thread_safe = import_module(_THREAD_SAFE)
        patches += _of(thread_safe.Channel, _layered(instrumentation, deferring=True))
        connection = import_module("pika.connection").Connection
        patches.append(Patch(connection, "channel", instrumentation.confirms.opening))
    return patches


def of_channel(channel: Any, instrumentation: Instrumentation) -> list[Patch]:
    """
    The patches that trace one channel: pika's, or any object that has its methods.

    Raises:
        TypeError: The object cannot hold methods of its own.
    """
    below = transport(channel)
    if below is channel:
        return list(
            _of(
                channel,
                {
                    **_layered(instrumentation),
                    **_stepped(instrumentation),
                    **_transport(instrumentation),
                },
            )
        )
    deferring = any(cls.__module__ == _THREAD_SAFE for cls in type(channel).__mro__)
    layered = _layered(instrumentation, deferring=deferring) | _stepped(instrumentation)
    return [
        *_of(channel, layered if deferring else layered | _flushed(instrumentation)),
        *_of(below, _transport(instrumentation)),
    ]


def _of(owner: Any, wraps: dict[str, Wrap]) -> Iterator[Patch]:
    for name, wrap in wraps.items():
        # A channel of the user's own has what its tests need.
        if isinstance(owner, type) or hasattr(owner, name):
            yield Patch(owner, name, wrap)


def _layered(instrumentation: Instrumentation, *, deferring: bool = False) -> dict[str, Wrap]:
    """What is replaced where a channel goes through another: there users come in."""
    telemetry, ledger, confirms = instrumentation.telemetry, instrumentation.ledger, instrumentation.confirms
    return {
        "basic_publish": publishing(telemetry, confirms, deferring=deferring),
        "basic_consume": consuming(telemetry, ledger),
        "basic_get": instrumentation.reception.getting,
    }


def _stepped(instrumentation: Instrumentation) -> dict[str, Wrap]:
    """What a BlockingChannel alone has."""
    return {"consume": instrumentation.reception.stepping, "cancel": instrumentation.reception.cancelling}


def _flushed(instrumentation: Instrumentation) -> dict[str, Wrap]:
    """What a BlockingChannel does itself after the channel below it did its part."""
    ledger = instrumentation.ledger
    return {
        "basic_ack": settlement.acknowledging(ledger, flushing=True),
        "basic_nack": settlement.negatively_acknowledging(ledger, flushing=True),
        "basic_reject": settlement.rejecting(ledger, flushing=True),
    }


def _transport(instrumentation: Instrumentation) -> dict[str, Wrap]:
    """What is replaced on pika's callback-style channel, which every adapter ends up at."""
    telemetry, ledger, confirms = instrumentation.telemetry, instrumentation.ledger, instrumentation.confirms
    return {
        "basic_publish": sending(telemetry, confirms),
        "confirm_delivery": confirming(confirms),
        "basic_consume": consuming(telemetry, ledger),
        "basic_get": instrumentation.reception.getting,
        "basic_ack": settlement.acknowledging(ledger),
        "basic_nack": settlement.negatively_acknowledging(ledger),
        "basic_reject": settlement.rejecting(ledger),
        "basic_recover": settlement.recovering(ledger),
    }


def _function(owner: Any, name: str) -> Method:
    """The method of an object as a function of the object; never a wrapper of ours, so none is put on top."""
    bound = getattr(owner, name)
    function = getattr(bound, "__func__", None)
    if function is None or getattr(bound, "__self__", None) is not owner:
        return functools.wraps(bound)(lambda _owner, *args, **kwargs: bound(*args, **kwargs))
    return getattr(function, _ORIGINAL, function)  # type: ignore[no-any-return]  # ours, or theirs


def carrying_context(original: Method) -> Method:
    """An `add_callback_threadsafe` whose callbacks run in the context they were handed over in."""

    def add_callback_threadsafe(connection: Any, callback: Any) -> Any:
        if not callable(callback):
            return original(connection, callback)
        caller = context.get_current()

        @functools.wraps(callback, updated=())
        def in_caller_context() -> Any:
            token = context.attach(caller)
            try:
                return callback()
            finally:
                context.detach(token)

        return original(connection, in_caller_context)

    return add_callback_threadsafe
