"""Messages that are counted where they pass, and looked up when measurements are collected."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from voxtrace._metric import Metric
from voxtrace.messaging.collection import collector
from voxtrace.messaging.route import Attributes

_tallies: "WeakKeyDictionary[MeterProvider, dict[str, Tally]]" = WeakKeyDictionary()


class Tally:
    """
    A counter of few attribute sets, which any thread may add to.

    It costs a tenth of a counter that takes each message as a measurement.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts: defaultdict[tuple[tuple[str, Any], ...], int] = defaultdict(int)

    def add(self, attributes: Attributes) -> None:
        """Counts one message."""
        key = tuple(attributes.items())
        with self._lock:
            # In one step, between whose parts no signal's handler can count the same.
            self._counts[key] += 1

    def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        """What was counted since the beginning, without a wait: the thread with the lock may be stopped."""
        return [Observation(count, dict(key)) for key, count in self._counts.copy().items()]


def tally(provider: MeterProvider, meter: Meter, metric: Metric) -> Tally:
    """
    The tally of that metric, which `provider` collects.

    There is one for each provider, the API's own being the one that it stands for: a meter keeps the
    callbacks of an instrument's first creation alone, and a count must not begin again because pika was put
    back in between. Only one thread at a time may ask.
    """
    known = next((own for other, own in _tallies.items() if collector(other) is collector(provider)), None)
    if known is None:
        known = _tallies[provider] = {}
    if metric.name not in known:
        known[metric.name] = Tally()
        metric.observable_counter(meter, known[metric.name].observe)
    return known[metric.name]
