"""What becomes of a failed delivery: a delayed retry, or the dead letters; the same for every broker."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from voxtrace_services.core.broker import Delivery, Handler, Outgoing, RejectedError, ReturnedError
from voxtrace_services.core.logs import type_name
from voxtrace_services.core.messages import STAGES, JobEvent
from voxtrace_services.core.topology import DEAD, EVENTS, MAX_RETURNS, retry_exchange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_log = logging.getLogger(__name__)

ATTEMPT = "x-attempt"
REASON = "x-reason"
EXCEPTION_TYPE = "x-exception-type"
EXCEPTION_MESSAGE = "x-exception-message"

# Broker-owned, or about an earlier hop.
_STALE = (
    "x-death",
    "x-first-death-",
    "x-last-death-",
    "x-delivery-count",
    "x-exception-",
    REASON,
    ATTEMPT,
)
# All headers share one AMQP frame of 128 KiB: a hostile one must still fit when ours are added.
_HEADER_BUDGET = 32 * 1024
_MESSAGE_LIMIT = 500


def count(headers: Mapping[str, Any], name: str) -> int:
    """The number in a header, or 0: headers come from anyone, and a bool or a string counts for nothing."""
    value = headers.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def attempt(headers: Mapping[str, Any]) -> int:
    """Which attempt a message with these headers is, from 1."""
    return max(1, count(headers, ATTEMPT))


@dataclass(frozen=True)
class RetryPolicy:
    """Attempts at `len(delays) + 1` in all, `delays` seconds apart."""

    delays: Sequence[float]

    @property
    def attempts(self) -> int:
        """How often a message is tried before it is dead."""
        return len(self.delays) + 1

    def process(self, delivery: Delivery, handler: Handler) -> Sequence[Outgoing]:
        """
        Give what to publish before `delivery` is acknowledged: the handler's results, or its failure's.

        Raises:
            ReturnedError: Nothing: give it back.
        """
        if delivery.returned >= MAX_RETURNS:
            detail = f"the worker was lost {delivery.returned} times while at it"
            return self._dead(
                delivery, RejectedError("worker_lost", detail), reason="worker_lost", detail=detail
            )
        try:
            return handler(delivery)
        except ReturnedError:
            raise
        except RejectedError as error:
            return self._dead(delivery, error, reason=error.reason, detail=error.detail)
        except Exception as error:  # noqa: BLE001  whatever a handler raises is retried, then dead: never lost
            return self._retry(delivery, error)

    def _retry(self, delivery: Delivery, error: Exception) -> Sequence[Outgoing]:
        if delivery.attempt >= self.attempts:
            detail = f"failed {delivery.attempt} times, at last by {type(error).__name__}"
            return self._dead(delivery, error, reason="attempts_exhausted", detail=detail)
        delay = self.delays[delivery.attempt - 1]
        _log.warning("retrying", extra={**_facts(delivery, error), "delay_seconds": delay})
        headers = {ATTEMPT: delivery.attempt + 1}
        return [_republished(delivery, error, exchange=retry_exchange(delay), headers=headers)]

    def _dead(self, delivery: Delivery, error: Exception, *, reason: str, detail: str) -> Sequence[Outgoing]:
        _log.error("dead-lettered", extra={**_facts(delivery, error), "reason": reason})
        headers = {ATTEMPT: delivery.attempt, REASON: reason}
        dead = _republished(delivery, error, exchange=DEAD, headers=headers)
        event = _failed(delivery, reason=reason, detail=detail)
        return [dead] if event is None else [dead, event]


def _failed(delivery: Delivery, *, reason: str, detail: str) -> Outgoing | None:
    stage = STAGES.get(delivery.queue)
    if stage is None or delivery.correlation_id is None:
        return None
    try:
        event = JobEvent(
            job_id=delivery.correlation_id, outcome="failed", stage=stage, reason=reason, detail=detail
        )
    except ValidationError:  # not one of our job ids: there is nobody to tell
        return None
    return event.outgoing(EVENTS)


def _republished(
    delivery: Delivery, error: Exception, *, exchange: str, headers: Mapping[str, Any]
) -> Outgoing:
    return Outgoing(
        exchange=exchange,
        routing_key=delivery.routing_key,
        body=delivery.body,
        message_id=delivery.message_id or str(uuid.uuid4()),
        correlation_id=delivery.correlation_id,
        type=delivery.type,
        headers={
            **_kept(delivery.headers),
            EXCEPTION_TYPE: _error_type(error),
            EXCEPTION_MESSAGE: str(error)[:_MESSAGE_LIMIT],
            **headers,
        },
    )


def _kept(headers: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    left = _HEADER_BUDGET
    for name, value in headers.items():
        if name.startswith(_STALE):
            continue
        left -= len(name) + len(repr(value))
        if left < 0:
            _log.warning("headers dropped", extra={"kept": len(kept), "of": len(headers)})
            break
        kept[name] = value
    return kept


def _error_type(error: Exception) -> str:
    return error.reason if isinstance(error, RejectedError) else type_name(error)


def _facts(delivery: Delivery, error: Exception) -> dict[str, Any]:
    # The type and the place, not the message: it may quote what was said.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return {
        "queue": delivery.queue,
        "job_id": delivery.correlation_id,
        "message_id": delivery.message_id,
        "attempt": delivery.attempt,
        "error_type": _error_type(error),
        "where": None if trace is None else f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}",
    }
