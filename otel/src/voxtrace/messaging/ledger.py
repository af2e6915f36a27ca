"""Which deliveries are unsettled on which channel."""

import threading
from typing import Any
from weakref import WeakKeyDictionary

from voxtrace._guard import guarded
from voxtrace.messaging import names
from voxtrace.messaging.delivery import Delivery


class Ledger:
    """The unsettled deliveries of every channel; a channel that closes settles its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Weak, so that a channel nobody closed can still be collected.
        self._channels: WeakKeyDictionary[Any, dict[int, Delivery]] = WeakKeyDictionary()

    def open(self, channel: Any, delivery_tag: int, delivery: Delivery) -> None:
        """Notes a delivery on pika's callback-style `channel`."""
        with self._lock:
            self._of(channel)[delivery_tag] = delivery

    def watch(self, channel: Any) -> None:
        """
        Hears of the closing of `channel`; to be called in the thread of its connection.

        Deliveries may be noted in other threads, in which pika's channel is not to be touched.
        """
        with guarded("watch a channel"), self._lock:
            self._of(channel)

    def _of(self, channel: Any) -> dict[int, Delivery]:
        unsettled = self._channels.get(channel)
        if unsettled is None:
            unsettled = self._channels[channel] = {}
            channel.add_on_close_callback(self._on_close)
        return unsettled

    def settle(
        self,
        channel: Any,
        delivery_tag: int,
        settlement: str,
        *,
        multiple: bool = False,
        error_type: str | None = None,
    ) -> None:
        """Settles one delivery, or with `multiple` all up to it (0 stands for all there are)."""
        with guarded("note a settlement"):
            for delivery in self._take(channel, delivery_tag, multiple=multiple):
                delivery.settle(settlement, error_type)

    def abandon(self) -> None:
        """Ends every open span, when settlements will no longer be seen."""
        with self._lock:
            open_deliveries = [d for unsettled in self._channels.values() for d in unsettled.values()]
            self._channels.clear()
        for delivery in open_deliveries:
            delivery.abandon()

    def _take(self, channel: Any, delivery_tag: int, *, multiple: bool) -> list[Delivery]:
        with self._lock:
            unsettled = self._channels.get(channel)
            if not unsettled:
                return []
            if not multiple:
                delivery = unsettled.pop(delivery_tag, None)
                return [] if delivery is None else [delivery]
            tags = [tag for tag in unsettled if tag <= delivery_tag or delivery_tag == 0]
            return [unsettled.pop(tag) for tag in tags]

    def _on_close(self, channel: Any, reason: object) -> None:
        self.settle(channel, 0, names.CHANNEL_CLOSED, multiple=True, error_type=type(reason).__qualname__)
