"""A message in a consumer's hands, from delivery to settlement."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.messaging import failure, names
from voxtrace.messaging.processing import Processing
from voxtrace.messaging.route import Route
from voxtrace.messaging.telemetry import Telemetry


class Passing:
    """A message of which nothing is kept, neither span nor measurement: it has its context and no more."""

    __slots__ = ("context",)

    def __init__(self, context: Context) -> None:
        self.context = context

    def returned(self) -> None:
        """Nobody wants to know."""

    def raised(self, error: BaseException) -> None:
        """Nobody wants to know."""


class Delivery(Processing):
    """
    One delivered message, whose span ends once its callback is done and it is settled.

    Attributes:
        tag: Its delivery tag, which is unique on its channel.
        strange: Whether its sender is a stranger, whose headers tell nothing.
        creation: The context the message was created in, if it says so.
        remarks: What its headers say about an earlier failure.
    """

    __slots__ = ("_batch", "creation", "remarks", "strange", "tag")

    def __init__(
        self,
        telemetry: Telemetry,
        span: Span,
        route: Route,
        started: int,
        *,
        parent: Context,
        ambient: Context,
        auto_ack: bool,
        tag: int = 0,
        strange: bool = False,
        creation: SpanContext | None = None,
        remarks: Mapping[str, Any] = failure.NONE,
    ) -> None:
        super().__init__(
            telemetry, span, route, started, parent=parent, ambient=ambient, unsettled=0 if auto_ack else 1
        )
        self.tag = tag
        self.strange = strange
        self.creation = creation
        self.remarks = remarks
        self._batch: Processing | None = None

    @property
    def owner(self) -> Processing:
        """What its settlement is noted on: the delivery itself, or the batch it was handed to."""
        return self._batch or self

    @owner.setter
    def owner(self, batch: Processing) -> None:
        self._batch = batch

    @staticmethod
    def note_failure(current: Context, headers: Mapping[Any, Any]) -> None:
        """Marks the message being processed in `current`, if any, as failed where `headers` announce it."""
        found = Processing.current(current)
        if isinstance(found, Delivery):
            error_type = failure.announced(headers, found.remarks)
            if error_type is not None:
                found.fail(error_type)

    def remember(self) -> None:
        """Keeps in mind who had the message last, since it may come again."""
        self.telemetry.memory.remember(self.creation, self.route.queue, self.owner.span_context)

    def hand_over(self, batch: Processing) -> None:
        """Ends the span: the message is worked on in the span of `batch` from now on."""
        with guarded("end the span of a batched message"):
            with self._lock:
                if self._ended:
                    return
                self._ended = True
                self._settled(names.BATCHED)
                self.span.add_link(
                    batch.span_context, {semconv.VOXTRACE_LINK_REASON: semconv.VOXTRACE_LINK_REASON_BATCH}
                )
            # Not measured: this was no processing, and the batch measures its own.
            self._finish(None)
