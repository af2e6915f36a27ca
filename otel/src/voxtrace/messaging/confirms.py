"""What the broker says of a publish after the call is over: confirms and returns."""

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from voxtrace._guard import guarded
from voxtrace.messaging import failure, names
from voxtrace.messaging.inheritance import renewed_in_child
from voxtrace.messaging.publication import Publication
from voxtrace.messaging.route import transport
from voxtrace.messaging.telemetry import Telemetry

Method = Callable[..., Any]

_SELECT: Final = "Confirm.Select"
_RETURNS: Final = {312: "amqp:no-route", 313: "amqp:no-consumers"}
"""What AMQP 0-9-1 calls the reasons for which a message comes back."""


class Unanswered:
    """
    The publishes on one channel that the broker has still to answer.

    In confirm mode a channel's publishes are numbered from 1 by both sides, in the order they are sent.
    """

    __slots__ = (
        "_answered_to",
        "_confirming",
        "_numbered",
        "_queued",
        "_sent",
        "handed_over",
        "watched",
    )

    def __init__(self) -> None:
        self._confirming = False
        self._queued: Iterable[Any] | None = None
        self._sent = 0
        self._answered_to = 0
        self._numbered: dict[int, Publication] = {}
        self.handed_over: set[Publication] = set()
        """What another thread is still to send."""
        self.watched = False

    def confirm(self, queued: Iterable[Any]) -> None:
        """Says that confirm mode was asked for; `queued` are the requests that pika has still to send."""
        self._queued = queued

    def sent(self, publication: Publication | None) -> None:
        """Notes that a message goes out: `publication`, or one without a span to end."""
        if self._queued is not None:
            self._look_for_select(self._queued)
        if self._confirming:
            self._sent += 1
            if publication is not None:
                publication.awaited = True
                self._numbered[self._sent] = publication

    def _look_for_select(self, queued: Iterable[Any]) -> None:
        with guarded("see whether confirm mode has begun"):
            # Behind another request the channel is not in confirm mode yet, and its messages have no numbers.
            if not any(request[0].NAME == _SELECT for request in queued):
                self._confirming, self._queued = True, None

    def unsent(self) -> None:
        """Takes back the last `sent`: pika refused it."""
        if self._confirming:
            self._numbered.pop(self._sent, None)
            self._sent -= 1

    def answered(self, tag: int, *, multiple: bool, error_type: str | None) -> None:
        """Ends what the broker confirms or refuses: one publish, or all up to it (0 stands for all)."""
        numbers = range(tag, tag + 1)
        if multiple:
            # By their numbers, as they were sent: whoever puts pika back takes them out in another thread.
            last = min(tag, self._sent) if tag else self._sent
            numbers = range(self._answered_to + 1, last + 1)
            self._answered_to = max(self._answered_to, last)
        for number in numbers:
            publication = self._numbered.pop(number, None)
            if publication is not None:
                publication.finish(error_type=error_type)

    def returned(self, method: Any, properties: Any, error_type: str) -> None:
        """Marks the first publish that may have come back; its confirm, which follows, ends it."""
        for publication in self._numbered.copy().values():
            if publication.is_of(method, properties):
                publication.fail(error_type)
                return

    def close(self, error_type: str | None) -> None:
        """Ends what will never be answered."""
        self.answered(0, multiple=True, error_type=error_type)
        for publication in self.handed_over.copy():
            if self.take(publication):
                publication.finish(error_type=error_type)

    def take(self, publication: Publication) -> bool:
        """Takes a publish out of those that were handed over; of two threads one succeeds."""
        try:
            self.handed_over.remove(publication)
        except KeyError:
            return False
        return True


class Confirms:
    """The unanswered publishes of every channel where something can be heard of them later."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._renew()
        renewed_in_child(self, Confirms._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()
        # Weak, so that a channel nobody closed can still be collected.
        self._channels: WeakKeyDictionary[Any, Unanswered] = WeakKeyDictionary()
        self._heard: WeakSet[Any] = WeakSet()

    def number(self, channel: Any, publication: Publication | None, *, returnable: bool) -> Unanswered | None:
        """
        What is unanswered on `channel`, if something may be, with `publication` the last.

        A message that is `returnable` may come back even where the broker confirms none.
        """
        if returnable:
            self.watch(channel)
        elif not self._channels:
            return None
        unanswered = self._find(channel)
        if unanswered is not None:
            unanswered.sent(publication)
        return unanswered

    def watch(self, channel: Any) -> None:
        """Hears of messages returned to `channel`; to be called in the thread of its connection."""
        with guarded("watch for returned messages"):
            self._watched(channel)

    def expect(self, channel: Any) -> None:
        """Says that `channel` was put into confirm mode."""
        with guarded("watch a channel's publisher confirms"):
            self._watched(channel).confirm(getattr(channel, "_blocked", ()))

    def hand_over(self, channel: Any, publication: Publication) -> None:
        """Notes a publish on a thread-safe channel, for the thread of its connection to send."""
        with guarded("note a publish for another thread"):
            self._of(transport(channel)).handed_over.add(publication)

    def handed_over(self, channel: Any, publication: Publication) -> None:
        """Ends a publish that nobody will send: the channel was closed, and its end not noted any more."""
        if channel.is_closed and self._take(transport(channel), publication):
            publication.finish(error_type=names.CHANNEL_CLOSED)

    def take_over(self, channel: Any, publication: Publication) -> Publication | None:
        """The publish that a channel above began, if it is for `channel`, and for its thread, to finish."""
        if not publication.deferred:
            return None
        self.watch(channel)
        return publication if self._take(channel, publication) else None

    def give_up(self, channel: Any, publication: Publication) -> None:
        """Takes back a `hand_over`."""
        self._take(transport(channel), publication)

    def _take(self, channel: Any, publication: Publication) -> bool:
        unanswered = self._find(channel)
        return unanswered is not None and unanswered.take(publication)

    def _find(self, channel: Any) -> Unanswered | None:
        return self._channels.get(channel) if self._channels else None

    def _watched(self, channel: Any) -> Unanswered:
        unanswered = self._of(channel)
        if not unanswered.watched:
            unanswered.watched = True
            channel.add_on_return_callback(self._on_return)
            self._hear_of_close(channel)
        return unanswered

    def opening(self, original: Method) -> Method:
        """
        A connection's `channel` whose channels' closing is heard of from the beginning.

        It runs in the thread of the connection, which may never come to what another one hands over.
        """

        def channel(connection: Any, *args: Any, **kwargs: Any) -> Any:
            opened = original(connection, *args, **kwargs)
            with guarded("hear of the closing of a channel"):
                self._hear_of_close(opened)
            return opened

        return channel

    def _hear_of_close(self, channel: Any) -> None:
        if channel not in self._heard:
            self._heard.add(channel)
            channel.add_on_close_callback(self._on_close)

    def _of(self, channel: Any) -> Unanswered:
        unanswered = self._channels.get(channel)
        if unanswered is None:
            with self._lock:
                unanswered = self._channels.setdefault(channel, Unanswered())
        return unanswered

    def abandon(self) -> None:
        """Ends every open span, when answers will no longer be seen."""
        with self._lock:
            channels = list(self._channels.values())
            self._channels.clear()
        for unanswered in channels:
            unanswered.close(None)

    def answered(self, channel: Any, method: Any) -> None:
        """Takes note of a `Basic.Ack` or `Basic.Nack`."""
        with guarded("note a publisher confirm"):
            unanswered = self._find(channel)
            if unanswered is not None:
                refused = method.NAME == "Basic.Nack"
                error_type = names.ERROR_NACKED if refused else None
                unanswered.answered(method.delivery_tag, multiple=method.multiple, error_type=error_type)

    def _on_return(self, channel: Any, method: Any, properties: Any, _body: Any) -> None:
        with guarded("note a returned message"):
            if self._telemetry.enabled:
                error_type = _RETURNS.get(method.reply_code, f"amqp:{method.reply_code}")
                route = self._telemetry.routes.published(channel, method.exchange, method.routing_key)
                self._telemetry.returned.add(1, route.measured_with(error_type))
                unanswered = self._find(channel)
                if unanswered is not None:
                    unanswered.returned(method, properties, error_type)

    def _on_close(self, channel: Any, reason: object) -> None:
        with guarded("end the spans of unanswered publishes"):
            unanswered = self._channels.pop(channel, None)
            if unanswered is not None:
                unanswered.close(failure.closing(reason))
