"""A broker whose consumer stops while told to, and gives messages back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxtrace_services.core.broker import ReturnedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voxtrace_services.core.broker import Broker, Delivery, Handler, Outgoing, StopSignal
    from voxtrace_services.core.faults.injection import Injection

_POLL_SECONDS = 0.2


class FaultyBroker:
    """A broker under faults; publishing is as ever."""

    def __init__(self, broker: Broker, faults: Injection) -> None:
        self._broker = broker
        self._faults = faults
        self.publish = broker.publish
        self.check = broker.check
        self.close = broker.close

    def consume(self, queue: str, handler: Handler, stop: StopSignal) -> None:
        """Feed deliveries to `handler` until `stop`, and none while the consumer is stopped."""

        def handle(delivery: Delivery) -> Sequence[Outgoing]:
            self._faults.look()
            if self._faults.struck("requeue"):
                raise ReturnedError("a drill: not now")
            return handler(delivery)

        while not stop.is_set():
            if self._faults.on("stopped-consumer"):
                stop.wait(_POLL_SECONDS)
            else:
                self._broker.consume(queue, handle, _Pause(stop, self._faults))


class _Pause:
    """Tells a consumer to stop for good, or for as long as the fault is on."""

    def __init__(self, stop: StopSignal, faults: Injection) -> None:
        self._stop = stop
        self._faults = faults

    def is_set(self) -> bool:
        return self._stop.is_set() or self._faults.on("stopped-consumer") is not None

    def wait(self, timeout: float | None = None) -> bool:
        return self._stop.wait(timeout) or self.is_set()
