"""What a message went through before: dead-letterings, and the attempts that it can be linked to."""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from opentelemetry.trace import Link, SpanContext

from voxtrace import semconv
from voxtrace._w3c.text import Refused
from voxtrace.messaging import names, propagation
from voxtrace.messaging.headers import header_int
from voxtrace.messaging.route import Attributes

MAX_REMEMBERED: Final = 10_000
"""Attempts kept in memory; each takes about half a KiB."""
MAX_DEATHS: Final = 32
"""RabbitMQ writes one entry per queue and reason; what lies beyond so many is not read."""
MAX_COUNT: Final = 1_000_000

_MAX_QUEUE_NAME = 255  # AMQP's short string
_REASON = re.compile(r"[a-z_]{1,32}")
_REFUSALS = frozenset({"rejected", "delivery_limit"})

_Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaths:
    """
    What `x-death` tells.

    Attributes:
        count: How often the message was dead-lettered.
        refusals: How often of these a consumer had it in its hands.
        queues: Where it was dead-lettered, the latest first.
    """

    count: int
    refusals: int
    queues: tuple[str, ...]
    last: tuple[str, str]
    first: tuple[str, str]

    def attributes(self) -> Attributes:
        """The same for a span."""
        found: Attributes = {
            semconv.VOXTRACE_MESSAGING_DEATH_COUNT: self.count,
            semconv.VOXTRACE_MESSAGING_DEATH_QUEUE: self.last[0],
            semconv.VOXTRACE_MESSAGING_DEATH_REASON: self.last[1],
            semconv.VOXTRACE_MESSAGING_DEATH_FIRST_QUEUE: self.first[0],
            semconv.VOXTRACE_MESSAGING_DEATH_FIRST_REASON: self.first[1],
        }
        return {name: value for name, value in found.items() if value != ""}


def deaths(headers: Mapping[Any, Any]) -> Deaths | None:
    """The dead-letterings that the headers tell of, if any; whatever is no such thing is passed over."""
    listed = headers.get(names.HEADER_DEATHS)
    if not isinstance(listed, list):
        return None
    entries = [entry for entry in listed[:MAX_DEATHS] if isinstance(entry, Mapping)]
    if not entries:
        return None
    told = [(_queue(entry.get("queue")), _reason(entry.get("reason")), _count(entry)) for entry in entries]
    # The entry of a queue moves to the front when it is used again: the last one need not be the first.
    first = (
        _queue(headers.get(names.HEADER_FIRST_DEATH_QUEUE)) or told[-1][0],
        _reason(headers.get(names.HEADER_FIRST_DEATH_REASON)) or told[-1][1],
    )
    return Deaths(
        count=min(sum(count for _, _, count in told), MAX_COUNT),
        refusals=min(sum(count for _, reason, count in told if reason in _REFUSALS), MAX_COUNT),
        queues=tuple(queue for queue, _, _ in told),
        last=told[0][:2],
        first=first,
    )


def refused_since(headers: Mapping[Any, Any], moment: int, *, surely: bool = False) -> bool:
    """
    True where a consumer may have refused the message after `moment` (ns since the epoch); or did, `surely`.

    RabbitMQ tells the second in which it was.
    """
    listed = headers.get(names.HEADER_DEATHS)
    if not isinstance(listed, list):
        return False
    for entry in listed[:MAX_DEATHS]:
        if isinstance(entry, Mapping) and _reason(entry.get("reason")) in _REFUSALS:
            died = entry.get("time")
            if not isinstance(died, datetime) or died.tzinfo is None:
                if not surely:
                    return True
            elif (died.timestamp() + (not surely)) * 1_000_000_000 > moment:
                return True
    return False


class Memory:
    """
    The last attempts at messages that may come again, by creation context and queue.

    It is bounded, forgets the oldest first, and may be used by any thread.
    """

    def __init__(self, size: int = MAX_REMEMBERED) -> None:
        self._size = size
        self._lock = threading.RLock()
        self._attempts: OrderedDict[_Key, tuple[SpanContext, int]] = OrderedDict()

    def remember(self, creation: SpanContext | None, queue: str, attempt: SpanContext) -> None:
        """Notes that the message was in the hands of `attempt`, from `queue`."""
        if creation is None:
            return
        noted = attempt, time.time_ns()
        with self._lock:
            # Under no queue too: whoever publishes the message again need not know where it was.
            for name in {queue, ""}:
                key = (creation.trace_id, creation.span_id, name)
                self._attempts.pop(key, None)
                self._attempts[key] = noted
            while len(self._attempts) > self._size:
                self._attempts.popitem(last=False)

    def last(self, creation: SpanContext | None, *queues: str, since: int = 0) -> SpanContext | None:
        """The last attempt on the message, not before `since` (ns), in the first of the queues with one."""
        if creation is None:
            return None
        with self._lock:
            for queue in queues:
                found = self._attempts.get((creation.trace_id, creation.span_id, queue))
                if found is not None and found[1] >= since:
                    return found[0]
        return None


def previous_attempt(
    memory: Memory,
    creation: SpanContext | None,
    queue: str,
    *,
    redelivered: bool,
    headers: Mapping[Any, Any],
    refused: Refused | None = None,
) -> Link | None:
    """
    A link to the attempt before this delivery, where it is known.

    It is what this process remembers, or what the message's last publisher wrote into it if that is later;
    neither, where the message was in other hands since.
    """
    written = names.HEADER_PREVIOUS in headers
    since = (header_int(headers, names.HEADER_ENQUEUED_AT) or 0) * 1_000_000 if written else 0
    found = memory.last(creation, queue, since=since) if redelivered else None
    if found is None:
        if names.HEADER_DEATHS in headers and (died := deaths(headers)) is not None:
            found = memory.last(creation, *died.queues, since=since)
        if found is None and written and not refused_since(headers, since, surely=True):
            found = propagation.previous_attempt(headers, refused)
    if found is None:
        return None
    return Link(found, {semconv.VOXTRACE_LINK_REASON: semconv.VOXTRACE_LINK_REASON_PREVIOUS_ATTEMPT})


def _queue(value: object) -> str:
    return value[:_MAX_QUEUE_NAME] if isinstance(value, str) else ""


def _reason(value: object) -> str:
    if not isinstance(value, str) or not value:
        return ""
    return value if _REASON.fullmatch(value) else names.ERROR_OTHER


def _count(entry: Mapping[Any, Any]) -> int:
    return min(max(header_int(entry, "count") or 1, 1), MAX_COUNT)
