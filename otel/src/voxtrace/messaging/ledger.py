"""Which deliveries are unsettled on which channel."""

import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from voxtrace._guard import guarded, report
from voxtrace.messaging import failure, in_flight, names
from voxtrace.messaging.delivery import Delivery
from voxtrace.messaging.telemetry import Telemetry

if TYPE_CHECKING:
    from voxtrace.messaging.batch import Batch

_ledgers: "list[weakref.ref[Ledger]]" = []


class Ledger:
    """
    The unsettled deliveries of every channel; a channel that closes settles its own.

    Any thread may use it, and a signal's handler or the collector between two lines of the thread that holds
    the lock: what was looked at a line before may be gone.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self._lock = threading.RLock()
        # Weak, so that a channel nobody closed can still be collected.
        self._channels: WeakKeyDictionary[Any, dict[int, Delivery]] = WeakKeyDictionary()
        self._lost: WeakKeyDictionary[Any, dict[int, Delivery]] = WeakKeyDictionary()
        self._closed: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        _ledgers.append(weakref.ref(self, _ledgers.remove))
        with guarded("observe the messages in flight"):
            in_flight.observe(ledgers, telemetry)

    def open(self, channel: Any, delivery_tag: int, delivery: Delivery) -> None:
        """
        Notes a delivery on pika's callback-style `channel`.

        Pika still hands over what it had of a channel that is closed: the broker gives it to others by then.
        """
        with self._lock:
            unsettled = self._channels.get(channel)
            error_type = None
            if unsettled is None:
                error_type = self._closed.get(channel)
                unsettled = self._of(channel) if error_type is None else self._lost.setdefault(channel, {})
            unsettled[delivery_tag] = delivery
        if error_type is not None:
            delivery.remember()
            delivery.settle(names.CHANNEL_CLOSED, error_type)

    def watch(self, channel: Any) -> None:
        """
        Hears of the closing of `channel`; to be called in the thread of its connection.

        Deliveries may be noted in other threads, in which pika's channel is not to be touched.
        """
        with guarded("watch a channel"), self._lock:
            self._of(channel)

    def find(self, channel: Any, delivery_tag: int, *, multiple: bool = False) -> list[Delivery]:
        """
        The unsettled delivery of that tag; with `multiple` all up to it (0 stands for all there are).

        Of a closed channel they are the ones that it was closed on.
        """
        with self._lock:
            unsettled = self._channels.get(channel) or self._lost.get(channel)
            if not unsettled:
                return []
            found = [unsettled.get(tag) for tag in _tags(unsettled, delivery_tag, multiple)]
        return [delivery for delivery in found if delivery is not None]

    def closed(self, channel: Any) -> bool:
        """True where `channel` was closed while it was watched."""
        return channel in self._closed

    def hand_over(self, channel: Any, delivery_tag: int, batch: "Batch") -> None:
        """Lets the settlement of a delivery be noted on `batch`, if it is still to come."""
        # Before the message is the batch's, and outside our lock: who settles a batch may wait for that.
        batch.expect()
        with self._lock:
            unsettled = self._channels.get(channel)
            delivery = unsettled.get(delivery_tag) if unsettled else None
            if delivery is None:
                batch.release()
                return
            previous, delivery.owner = delivery.owner, batch
        previous.release()
        delivery.hand_over(batch)

    def settle(
        self,
        channel: Any,
        delivery_tag: int,
        settlement: str,
        *,
        multiple: bool = False,
        error_type: str | None = None,
    ) -> list[Delivery]:
        """Settles what `find` finds, and answers it."""
        taken: list[Delivery] = []
        try:
            with self._lock:
                unsettled = self._channels.get(channel)
                if unsettled:
                    if multiple:
                        for tag in _tags(unsettled, delivery_tag, multiple):
                            _take(unsettled, tag, taken)
                    else:
                        _take(unsettled, delivery_tag, taken)
                # Under the lock that handing over takes too: a message is noted where it belongs now.
                owners = [delivery.owner for delivery in taken]
            for owner in owners:
                owner.settle(settlement, error_type)
        except Exception as error:  # noqa: BLE001 - as `guarded` does
            report("note a settlement", error)
        return taken

    def abandon(self) -> None:
        """Ends every open span, when settlements will no longer be seen."""
        open_deliveries = self.deliveries()
        with self._lock:
            self._channels.clear()
            self._lost.clear()
        for delivery in open_deliveries:
            delivery.owner.abandon()

    def deliveries(self) -> list[Delivery]:
        """All that are unsettled, without a wait: the thread that has the lock may be stopped."""
        found: list[Delivery] = []
        for reference in self._channels.keyrefs():
            unsettled = None if (channel := reference()) is None else self._channels.get(channel)
            if unsettled:
                found.extend(unsettled.copy().values())
        return found

    def _of(self, channel: Any) -> dict[int, Delivery]:
        fresh: dict[int, Delivery] = {}
        unsettled = self._channels.setdefault(channel, fresh)
        if unsettled is fresh:
            channel.add_on_close_callback(self._on_close)
        return unsettled

    def _on_close(self, channel: Any, reason: object) -> None:
        with guarded("end the spans of a closed channel's messages"):
            error_type = failure.closing(reason)
            with self._lock:
                self._closed[channel] = error_type
                # Whoever tries to settle them still does so in their traces.
                lost = self._lost[channel] = self._channels.pop(channel, {})
                found = [(delivery, delivery.owner) for delivery in lost.values()]
            for delivery, owner in found:
                delivery.remember()
                owner.settle(names.CHANNEL_CLOSED, error_type)


def others() -> bool:
    """True where there may be more ledgers than one: cheap, for who would look through them all."""
    return len(_ledgers) > 1


def ledgers() -> Iterator[Ledger]:
    """The ledgers of all instrumentations at work."""
    for reference in _ledgers.copy():
        ledger = reference()
        if ledger is not None and ledger.telemetry.enabled:
            yield ledger


def _tags(unsettled: dict[int, Delivery], delivery_tag: int, multiple: bool) -> list[int]:
    if not multiple:
        return [delivery_tag]
    tags = list(unsettled)
    return [tag for tag in tags if tag <= delivery_tag] if delivery_tag else tags


def _take(unsettled: dict[int, Delivery], tag: int, taken: list[Delivery]) -> None:
    delivery = unsettled.pop(tag, None)
    if delivery is not None:
        taken.append(delivery)
