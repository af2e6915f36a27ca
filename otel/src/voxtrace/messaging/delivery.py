"""A message in a consumer's hands: its `process` span, from delivery to settlement."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext
from opentelemetry.util.types import AttributeValue

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.messaging import failure
from voxtrace.messaging.destination import Destination
from voxtrace.messaging.hooks import Respond
from voxtrace.messaging.telemetry import Telemetry, record

_CURRENT = "voxtrace-messaging-delivery"


@dataclass(slots=True, kw_only=True)
class Delivery:
    """
    One delivered message, whose span ends once its callback is done and it is settled.

    Work may go on in other threads after the callback returned, and may be settled from any of them.
    """

    telemetry: Telemetry
    span: Span
    parent: Context
    started: int
    destination: Destination
    attributes: dict[str, AttributeValue]
    auto_ack: bool
    remarks: Mapping[str, Any] = field(default_factory=dict)
    context: Context = field(init=False)
    respond: Respond | None = None
    # Reentrant: a response hook may publish, which notes a failure of the message at hand.
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _callback_done: bool = False
    _settlement: str | None = None
    _error_type: str | None = None
    _ended: bool = False

    def __post_init__(self) -> None:
        self.context = context.set_value(_CURRENT, self, trace.set_span_in_context(self.span, self.parent))

    @staticmethod
    def note_failure(current: Context, headers: object) -> None:
        """Marks the message being processed in `current`, if any, as failed where `headers` announce it."""
        delivery = current.get(_CURRENT)
        if isinstance(delivery, Delivery):
            error_type = failure.announced(headers, delivery.remarks)
            if error_type is not None:
                with delivery._lock:  # noqa: SLF001 - its own class
                    delivery._fail(error_type)  # noqa: SLF001 - its own class

    @staticmethod
    def span_in(current: Context) -> SpanContext | None:
        """The span of the message being processed in `current`, if any."""
        delivery = current.get(_CURRENT)
        return delivery.span.get_span_context() if isinstance(delivery, Delivery) else None

    def returned(self) -> None:
        """Says that the callback is done; the span stays open while the message is unsettled."""
        with guarded("end the span of a processed message"), self._lock:
            self._callback_done = True
            self._end_if_over()

    def raised(self, error: BaseException) -> None:
        """Says that the callback raised, which ends the span whatever becomes of the message."""
        with guarded("end the span of a failed message"), self._lock:
            if not self._ended:
                self._error_type = failure.mark_exception(self.span, error)
                self._end(error)

    def settle(self, settlement: str, error_type: str | None = None) -> None:
        """Says what became of the message."""
        with guarded("end the span of a settled message"), self._lock:
            if self._settlement is None and not self._ended:
                self._settlement = settlement
                self.span.set_attribute(semconv.VOXTRACE_SETTLEMENT, settlement)
                if error_type is not None:
                    self._fail(error_type)
                self._end_if_over()

    def abandon(self) -> None:
        """Ends the span of a message whose settlement can no longer be seen."""
        with guarded("end the span of an unsettled message"), self._lock:
            if not self._ended:
                self._end()

    def _fail(self, error_type: str) -> None:
        if self._error_type is None and not self._ended:
            self._error_type = error_type
            failure.mark(self.span, error_type)

    def _end_if_over(self) -> None:
        settled = self.auto_ack or self._settlement is not None
        if settled and self._callback_done and not self._ended:
            self._end()

    def _end(self, error: BaseException | None = None) -> None:
        self._ended = True
        ended = max(time.time_ns(), self.started)
        try:
            if self.respond is not None:
                self.respond(error if error is not None else self._settlement)
            measured = self.telemetry.measured(self.attributes, self.destination, error_type=self._error_type)
            record(self.telemetry.process_duration, ended - self.started, measured, self.context)
        finally:
            self.span.end(ended)
