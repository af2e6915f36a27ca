"""A step inside a piece of speech work: a span and a duration."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from voxtrace import semconv
from voxtrace._guard import guarded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.instruments import Instruments


_STAGE = otel_context.create_key("voxtrace-engine-stage")


@dataclass(frozen=True, slots=True)
class Stage:
    """A step inside an engine: the name of its span, and its value of `speech.stage.name`."""

    span: str
    name: str
    #: Whether it happens once per window of audio, so that long audio has many of it.
    windowed: bool = False


@dataclass(slots=True)
class Total:
    """How often a stage ran in one operation, and for how long altogether."""

    count: int = 0
    seconds: float = 0.0


def fail(span: Span, error_type: str) -> None:
    """Mark the span as failed; the message stays out, because it may quote content."""
    span.set_attribute(semconv.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR))


class StageRun:
    """
    The block in which one stage runs: a span (unless there are too many) and a duration.

    The duration is the stage's own: without that of stages inside it, which have
    their own. So the stages of an operation add up to the time that its engine
    worked, whichever stage calls which.
    """

    def __init__(
        self,
        instruments: Instruments,
        labels: Mapping[str, AttributeValue],
        stage: Stage,
        *,
        attributes: Mapping[str, AttributeValue] | None = None,
        total: Total | None = None,
        visible: bool = True,
    ) -> None:
        self.span: Span = trace.INVALID_SPAN
        self._instruments = instruments
        self._labels = {**labels, semconv.SPEECH_STAGE_NAME: stage.name}
        self._stage = stage
        self._attributes = attributes
        self._total = total
        self._visible = visible
        self._token: Token[Context] | None = None
        self._started = 0.0
        self._outer: object = None
        self._inside = 0.0

    def __enter__(self) -> Self:
        """Start the stage's span and make it current."""
        with guarded("start a stage span"):
            self._outer = otel_context.get_value(_STAGE)
            context = otel_context.set_value(_STAGE, self)
            if self._visible:
                self.span = self._instruments.tracer.start_span(self._stage.span, attributes=self._attributes)
                context = trace.set_span_in_context(self.span, context)
            self._token = otel_context.attach(context)
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span, record the duration, and add it to the operation's total."""
        elapsed = time.perf_counter() - self._started
        # Stages of several threads at once may last longer than the one they are in.
        seconds = max(elapsed - self._inside, 0.0)
        with guarded("end a stage span"):
            if isinstance(self._outer, StageRun):
                self._outer._inside += elapsed  # noqa: SLF001  # one of its own kind
            if error is not None:
                self._labels[semconv.ERROR_TYPE] = type(error).__qualname__
                fail(self.span, type(error).__qualname__)
            if self._total is not None:
                self._total.count += 1
                self._total.seconds += seconds
            self._instruments.stage_duration(seconds, self._labels, otel_context.get_current())
        if self._token is not None:
            otel_context.detach(self._token)
        with guarded("end a stage span"):
            self.span.end()
