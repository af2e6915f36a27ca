"""
Every exchange and queue, declared here alone; written for RabbitMQ 4.x too, run on 3.10.

::

    speech (direct) ── transcribe | translate | synthesize | events      (quorum)
    speech.retry.<n>s (fanout) ── speech.retry.<n>s ── after n s ──▶ speech, original key
    speech.dead (fanout) ── speech.dead
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXCHANGE = "speech"
TRANSCRIBE = "transcribe"
TRANSLATE = "translate"
SYNTHESIZE = "synthesize"
EVENTS = "events"
WORK_QUEUES = (TRANSCRIBE, TRANSLATE, SYNTHESIZE, EVENTS)
DEAD = "speech.dead"

#: Returns of one copy after which the work is held to kill its worker.
MAX_RETURNS = 4
#: The broker's own net below MAX_RETURNS, for a delivery that nothing of ours can settle.
DELIVERY_LIMIT = 20


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: Literal["direct", "fanout"]


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A durable quorum queue, bound to one exchange under one key."""

    name: str
    exchange: str
    routing_key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def retry_exchange(delay: float) -> str:
    """The exchange (and queue) that holds a message back for `delay` seconds."""
    return f"{EXCHANGE}.retry.{delay:g}s"


@dataclass(frozen=True)
class Topology:
    """All exchanges and queues for a sequence of retry delays in seconds."""

    delays: Sequence[float]

    @property
    def exchanges(self) -> list[Exchange]:
        """Every exchange, in the order to declare them."""
        return [
            Exchange(name=EXCHANGE, type="direct"),
            Exchange(name=DEAD, type="fanout"),
            *(Exchange(name=retry_exchange(delay), type="fanout") for delay in self._distinct),
        ]

    @property
    def queues(self) -> list[Queue]:
        """Every queue with its binding."""
        work = [
            Queue(
                name=key,
                exchange=EXCHANGE,
                routing_key=key,
                arguments=_dead_lettering(DEAD, limit=DELIVERY_LIMIT),
            )
            for key in WORK_QUEUES
        ]
        dead = Queue(name=DEAD, exchange=DEAD, routing_key="", arguments={"x-queue-type": "quorum"})
        retries = [
            Queue(
                name=retry_exchange(delay),
                exchange=retry_exchange(delay),
                routing_key="",
                arguments={**_dead_lettering(EXCHANGE), "x-message-ttl": round(delay * 1000)},
            )
            for delay in self._distinct
        ]
        return [*work, dead, *retries]

    @property
    def _distinct(self) -> list[float]:
        return list(dict.fromkeys(self.delays))


def _dead_lettering(exchange: str, *, limit: int | None = None) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": exchange,
        # The broker's own hops are confirmed too; at-least-once needs reject-publish.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    if limit is not None:
        arguments["x-delivery-limit"] = limit
    return arguments
