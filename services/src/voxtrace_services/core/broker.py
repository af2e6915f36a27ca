"""The seam between the services and a message broker: what is sent, what arrives, what can go wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from voxtrace_services.core.topology import EXCHANGE


class BrokerError(Exception):
    """Base of what a broker can raise: BrokerUnavailableError, UnroutableError."""


class BrokerUnavailableError(BrokerError):
    """The broker cannot be reached, or did not confirm: the message may be sent again."""


class UnroutableError(BrokerError):
    """No queue is bound for the message: the topology lacks it."""


class ReturnedError(Exception):
    """The delivery is not taken now: it goes back to its queue at once, as if its worker had died."""


class RejectedError(Exception):
    """A delivery that no retry can mend; it goes to the dead letters under `reason`."""

    def __init__(self, reason: str, detail: str) -> None:
        """
        Refuse a delivery.

        Args:
            reason: A stable code, such as `artifact_missing`; it becomes the span's error.type.
            detail: One sentence for the uploader: free of content, paths and hosts.
        """
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message to publish: persistent, mandatory, confirmed."""

    routing_key: str
    body: bytes
    message_id: str
    correlation_id: str | None = None
    type: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    exchange: str = EXCHANGE


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """
    A message that arrived.

    `attempt` counts from 1 and grows with each delayed retry; `returned` counts how often
    the broker got this copy back unsettled, because a worker died or gave it back.
    """

    body: bytes
    routing_key: str
    queue: str
    message_id: str | None = None
    correlation_id: str | None = None
    type: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    redelivered: bool = False
    attempt: int = 1
    returned: int = 0


#: Does the work of one delivery and returns what to publish before it is acknowledged.
Handler = Callable[[Delivery], Sequence[Outgoing]]


class StopSignal(Protocol):
    """What tells a consumer to stop: a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait to be told to stop; whether it was."""
        ...


class Broker(Protocol):
    """Publishes with confirmation and consumes with retries, dead letters and a graceful stop."""

    def publish(self, message: Outgoing) -> None:
        """
        Publish one message and return once the broker has it.

        Raises:
            BrokerUnavailableError: Try again later.
            UnroutableError: Nothing is bound to take it.
        """
        ...

    def consume(self, queue: str, handler: Handler, stop: StopSignal) -> None:
        """
        Feed deliveries to `handler`, one at a time, until `stop` is set.

        What the handler returns is published and confirmed, then the delivery is
        acknowledged. RejectedError sends it to the dead letters, ReturnedError back to the
        queue, any other exception to a delayed retry and after the last attempt to the dead letters.
        """
        ...

    def check(self) -> None:
        """Raise BrokerUnavailableError unless connected (for health checks)."""
        ...

    def close(self) -> None:
        """Let go of the publishing connection."""
        ...
