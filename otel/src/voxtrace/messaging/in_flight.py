"""How many messages are in consumers' hands, and how long the oldest has been; looked up at export alone."""

import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from voxtrace import semconv
from voxtrace.messaging import names
from voxtrace.messaging.collection import collector
from voxtrace.messaging.destination import queue_label
from voxtrace.messaging.telemetry import Telemetry

if TYPE_CHECKING:
    from voxtrace.messaging.ledger import Ledger

_NANOSECONDS: Final = 1_000_000_000

Ledgers = Callable[[], "Iterator[Ledger]"]
"""Gives the ledgers of all instrumentations at work."""


def observe(ledgers: Ledgers, telemetry: Telemetry) -> None:
    """
    Lets the deliveries in `ledgers` be counted whenever the measurements of `telemetry` are collected.

    A meter keeps the callbacks of an instrument's first creation for ever and no later ones, so these ask
    for every ledger there is at the time, and hold none.
    """
    provider = weakref.ref(telemetry.meter_provider)
    emptied: set[str] = set()

    def count(_options: CallbackOptions) -> Iterable[Observation]:
        """Messages in flight; 0 for a queue that had some, or it would keep its last number."""
        found = {label: number for label, (number, _) in _by_queue(ledgers, provider).items()}
        if not any(_in_use(ledgers, provider)):
            emptied.clear()
        idle = dict.fromkeys(emptied - found.keys(), 0)
        emptied.update(found)
        return [Observation(number, _queue(label)) for label, number in {**found, **idle}.items()]

    def age(_options: CallbackOptions) -> Iterable[Observation]:
        """Age of the oldest message."""
        now = time.time_ns()
        return [
            Observation(max(now - oldest, 0) / _NANOSECONDS, _queue(label))
            for label, (_, oldest) in _by_queue(ledgers, provider).items()
        ]

    semconv.METRIC_VOXTRACE_MESSAGING_IN_FLIGHT.observable_gauge(telemetry.meter, count)
    semconv.METRIC_VOXTRACE_MESSAGING_IN_FLIGHT_AGE.observable_gauge(telemetry.meter, age)


def _in_use(ledgers: Ledgers, provider: "weakref.ref[MeterProvider]") -> "Iterator[Ledger]":
    ours = provider()
    if ours is not None:
        for ledger in ledgers():
            if collector(ledger.telemetry.meter_provider) is collector(ours):
                yield ledger


def _by_queue(ledgers: Ledgers, provider: "weakref.ref[MeterProvider]") -> dict[str, tuple[int, int]]:
    """Per queue the number of deliveries, and the start of the oldest in ns."""
    found: dict[str, tuple[int, int]] = {}
    for ledger in _in_use(ledgers, provider):
        for delivery in ledger.deliveries():
            label = queue_label(delivery.route.queue)
            number, oldest = found.get(label, (0, delivery.started))
            found[label] = (number + 1, min(oldest, delivery.started))
    return found


def _queue(label: str) -> dict[str, str]:
    return {semconv.MESSAGING_SYSTEM: names.SYSTEM, semconv.VOXTRACE_MESSAGING_QUEUE_NAME: label}
