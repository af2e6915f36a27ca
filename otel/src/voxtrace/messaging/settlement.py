"""A settlement on its way: an ack, nack or reject is called, and what came of the call is noted."""

import time
from collections.abc import Callable
from typing import Any

from voxtrace.messaging import names
from voxtrace.messaging.ledger import Ledger
from voxtrace.messaging.route import transport
from voxtrace.messaging.verdict import (
    DONE,
    LATER,
    PUT_BACK,
    REFUSED,
    REJECTED,
    Verdict,
    note_failed,
    note_settled,
    remember,
    settle,
)

Method = Callable[..., Any]


class Flushed(int):
    """
    The delivery tag of a settlement that the channel above notes, once it is flushed.

    It goes the way of the settlement: nothing is to be kept in step between threads, callbacks and signals.
    """

    accepted = False
    """Whether the channel below took the settlement, into a buffer."""


def acknowledging(ledger: Ledger, *, flushing: bool = False) -> Callable[[Method], Method]:
    """
    A `basic_ack` that is noted; one that is `flushing` belongs to a BlockingChannel.

    The channel below it only fills a buffer. That the connection is lost is found when that is flushed, by
    when the closing of the channel has settled the message: so it is the channel above that takes note.
    """

    def wrap(original: Method) -> Method:
        def basic_ack(channel: Any, *args: Any, **kwargs: Any) -> Any:
            tag = args[0] if args else kwargs.get("delivery_tag", 0)
            multiple = args[1] if len(args) > 1 else kwargs.get("multiple", False)
            send = _flush if flushing else _send
            return send(ledger, DONE, original, channel, tag, multiple, args, kwargs)

        return basic_ack

    return wrap


def negatively_acknowledging(ledger: Ledger, *, flushing: bool = False) -> Callable[[Method], Method]:
    """A `basic_nack` that is noted."""

    def wrap(original: Method) -> Method:
        def basic_nack(channel: Any, *args: Any, **kwargs: Any) -> Any:
            tag = args[0] if args else kwargs.get("delivery_tag", 0)
            multiple = args[1] if len(args) > 1 else kwargs.get("multiple", False)
            requeue = args[2] if len(args) > 2 else kwargs.get("requeue", True)  # noqa: PLR2004 - its place
            verdict = LATER if requeue else REFUSED
            send = _flush if flushing else _send
            return send(ledger, verdict, original, channel, tag, multiple, args, kwargs)

        return basic_nack

    return wrap


def rejecting(ledger: Ledger, *, flushing: bool = False) -> Callable[[Method], Method]:
    """A `basic_reject` that is noted."""

    def wrap(original: Method) -> Method:
        def basic_reject(channel: Any, *args: Any, **kwargs: Any) -> Any:
            tag = args[0] if args else kwargs.get("delivery_tag", 0)
            requeue = args[1] if len(args) > 1 else kwargs.get("requeue", True)
            verdict = PUT_BACK if requeue else REJECTED
            send = _flush if flushing else _send
            return send(ledger, verdict, original, channel, tag, False, args, kwargs)

        return basic_reject

    return wrap


def _send(  # noqa: PLR0917 - on the way of every message
    ledger: Ledger,
    verdict: Verdict,
    original: Method,
    channel: Any,
    tag: Any,
    multiple: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Settles on pika's callback-style channel, or on whatever else has no channel below."""
    if type(tag) is Flushed:
        result = original(channel, *args, **kwargs)
        tag.accepted = True
        return result
    if verdict is not DONE:
        remember(ledger, channel, tag, multiple)
    started = time.time_ns()
    try:
        result = original(channel, *args, **kwargs)
    except BaseException as error:
        note_failed(ledger, verdict, channel, tag, multiple, started, error)
        raise
    note_settled(ledger, verdict, channel, tag, multiple, started)
    return result


def _flush(  # noqa: PLR0917 - on the way of every message
    ledger: Ledger,
    verdict: Verdict,
    original: Method,
    channel: Any,
    tag: Any,
    multiple: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Settles on a BlockingChannel."""
    if type(tag) is not int:
        # No tag at all: pika's to say, and the channel's below to note.
        return original(channel, *args, **kwargs)
    flushed, below = Flushed(tag), transport(channel)
    if args:
        args = (flushed, *args[1:])
    else:
        kwargs["delivery_tag"] = flushed
    if verdict is not DONE:
        remember(ledger, below, tag, multiple)
    started = time.time_ns()
    try:
        result = original(channel, *args, **kwargs)
    except BaseException as error:
        # Flushing runs what other threads handed over, too: what that raises is no word on the settlement.
        if flushed.accepted and not ledger.closed(below):
            note_settled(ledger, verdict, below, tag, multiple, started)
        else:
            note_failed(ledger, verdict, below, tag, multiple, started, error)
        raise
    note_settled(ledger, verdict, below, tag, multiple, started)
    return result


def recovering(ledger: Ledger) -> Callable[[Method], Method]:
    """A `basic_recover` that is noted: it puts every unsettled message of the channel back."""

    def wrap(original: Method) -> Method:
        def basic_recover(channel: Any, *args: Any, **kwargs: Any) -> Any:
            remember(ledger, channel, 0, multiple=True)
            result = original(channel, *args, **kwargs)
            settle(ledger, channel, 0, names.REQUEUE, multiple=True)
            return result

        return basic_recover

    return wrap
