"""The span of work on messages, from its start until the code is done and the messages are settled."""

import threading
import time
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext

from voxtrace import semconv
from voxtrace._guard import guarded, report
from voxtrace.messaging import failure, names
from voxtrace.messaging.hooks import Respond  # noqa: TC001 - as its neighbours
from voxtrace.messaging.route import Route
from voxtrace.messaging.telemetry import Telemetry, record

_KEY: Final = "voxtrace-messaging-processing"


class Processing:
    """
    Work on one message or several, with its span.

    Work may go on in other threads after the code that started it returned, and may be settled from any. A
    signal's handler or the collector may come in between two lines of the very thread that holds the lock.

    Attributes:
        spanned: What the span was started in, with the span.
        ambient: What was current before, without anything of a message's.
        recorded: Whether the span is kept, which it does not say itself once it is over.
        respond: Called once before the span ends.
    """

    __slots__ = (
        "__weakref__",
        "_busy",
        "_done",
        "_ended",
        "_error_type",
        "_lock",
        "_unsettled",
        "ambient",
        "recorded",
        "respond",
        "route",
        "settlement",
        "span",
        "spanned",
        "started",
        "telemetry",
    )

    def __init__(
        self,
        telemetry: Telemetry,
        span: Span,
        route: Route,
        started: int,
        *,
        parent: Context,
        ambient: Context,
        unsettled: int,
    ) -> None:
        self.telemetry = telemetry
        self.span = span
        self.route = route
        self.started = started
        self.ambient = ambient
        self.spanned = trace.set_span_in_context(span, parent)
        self.recorded = span.is_recording()
        self.settlement: str | None = None
        self.respond: Respond | None = None
        self._unsettled = unsettled
        self._lock = threading.RLock()
        self._busy = False
        self._done = False
        self._ended = False
        self._error_type: str | None = None

    @staticmethod
    def current(current: Context) -> "Processing | None":
        """The work that is done in `current`, if any."""
        found = current.get(_KEY)
        return found if isinstance(found, Processing) else None

    @property
    def context(self) -> Context:
        """To be current while the messages are worked on; made anew, for it refers to this object."""
        return context.set_value(_KEY, self, self.spanned)

    @property
    def span_context(self) -> SpanContext:
        """What a link to this work holds."""
        return self.span.get_span_context()

    def returned(self) -> None:
        """Says that the code is done; the span stays open while a message is unsettled."""
        try:
            with self._lock:
                self._done = True
                over = self._over()
            if over:
                self._end(self.settlement)
        except Exception as error:  # noqa: BLE001 - as `guarded` does
            report("end the span of a processed message", error)

    def raised(self, error: BaseException) -> None:
        """Says that the code raised, which ends the span whatever becomes of the messages."""
        with guarded("end the span of a failed message"):
            with self._lock:
                if self._ended:
                    return
                self._ended = True
                self._error_type = failure.mark_exception(self.span, error)
            self._end(error)

    def settle(self, settlement: str, error_type: str | None = None) -> None:
        """Says what became of a message."""
        try:
            with self._lock:
                before, self._busy = self._busy, True
                try:
                    if self._unsettled:
                        self._unsettled -= 1
                        if not self._ended:
                            self._settled(settlement)
                            if error_type is not None:
                                self._fail(error_type)
                finally:
                    self._busy = before
                over = self._over()
            if over:
                self._end(self.settlement)
        except Exception as error:  # noqa: BLE001 - as `guarded` does
            report("end the span of a settled message", error)

    def release(self) -> None:
        """Says that a message is worked on elsewhere; only a batch counts how many it has."""

    def fail(self, error_type: str) -> None:
        """Says that the work failed, though nothing was raised; the first failure names it."""
        with self._lock:
            before, self._busy = self._busy, True
            try:
                self._fail(error_type)
            finally:
                self._busy = before
            over = self._over()
        if over:
            self._end(self.settlement)

    def abandon(self) -> None:
        """Ends the span whatever is unsettled: settlements will not be seen, or are no part of it."""
        with guarded("end the span of an unsettled message"):
            with self._lock:
                self._done, self._unsettled = True, 0
                over = self._over()
            if over:
                self._end(self.settlement)

    def _settled(self, settlement: str) -> None:
        self.settlement = settlement
        self.span.set_attribute(semconv.VOXTRACE_MESSAGING_SETTLEMENT, settlement)

    def _fail(self, error_type: str) -> None:
        if self._error_type is None and not self._ended:
            self._error_type = error_type
            failure.mark(self.span, error_type)

    def _over(self) -> bool:
        # Who comes in while the span is written to leaves its end to whom it interrupted: the span has a lock
        # of its own, which need not let the same thread in twice.
        if self._done and not self._unsettled and not self._ended and not self._busy:
            self._ended = True
            return True
        return False

    def _end(self, outcome: str | BaseException | None) -> None:
        telemetry, route = self.telemetry, self.route
        ended = max(time.time_ns(), self.started)
        try:
            if route.operation == names.RECEIVE:
                measured = route.timed_with(self._error_type)
                record(telemetry.operation_duration, ended - self.started, measured, self.spanned)
                if telemetry.former is not None:
                    telemetry.former.received(ended - self.started, measured, self.spanned)
            elif telemetry.measuring:
                measured = route.measured_with(self._error_type)
                record(telemetry.process_duration, ended - self.started, measured, self.spanned)
        finally:
            self._finish(outcome, ended)

    def _finish(self, outcome: str | BaseException | None, ended: int | None = None) -> None:
        try:
            if self.respond is not None:
                # Outside the lock: the hook is the user's code, and may settle or publish.
                self.respond(outcome)
        finally:
            self.span.end(ended or max(time.time_ns(), self.started))
