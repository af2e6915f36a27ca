"""One engine operation as a span: its stages, the time the engine worked, how it ended."""

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

    from voxtrace.engines._instruments import Instruments

_OPERATION = otel_context.create_key("voxtrace-engine-operation")


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


def labels(operation: str | None, *, provider: str, model: str | None) -> dict[str, AttributeValue]:
    """Return the attributes that spans and metrics share; all are of low cardinality."""
    found = {
        semconv.GEN_AI_OPERATION_NAME: operation,
        semconv.GEN_AI_PROVIDER_NAME: provider,
        semconv.GEN_AI_REQUEST_MODEL: model,
    }
    return {key: value for key, value in found.items() if value is not None}


def fail(span: Span, error_type: str) -> None:
    """Mark the span as failed; the message stays out, because it may quote content."""
    span.set_attribute(semconv.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR))


class Operation:
    """
    A span that is current only while its engine works.

    It may stay open between two pieces of work (a lazy generator) and be worked
    on by several threads in turn; it never leaks into the caller's context.
    """

    def __init__(
        self,
        instruments: Instruments,
        *,
        operation: str,
        provider: str,
        model: str | None,
        attributes: Mapping[str, AttributeValue],
    ) -> None:
        self.labels = labels(operation, provider=provider, model=model)
        self.instruments = instruments
        self.ended = False
        self.audio_seconds: float | None = None
        self.totals: dict[Stage, Total] = {}
        self.worked = 0.0
        self.span = instruments.tracer.start_span(
            f"{operation} {model}" if model else operation, attributes={**self.labels, **attributes}
        )

    def working(self) -> Working:
        """Make this operation current, and count the time, while the block runs."""
        return Working(self)

    def stage(self, stage: Stage, attributes: Mapping[str, AttributeValue] | None = None) -> StageRun:
        """Time the block as a stage of this operation, with a span of its own unless there are too many."""
        return StageRun(
            self.instruments,
            self.labels,
            stage,
            attributes=attributes,
            total=self.total(stage),
            visible=self.has_room_for(stage),
        )

    def total(self, stage: Stage) -> Total:
        """Return the running total of a stage."""
        return self.totals.setdefault(stage, Total())

    def has_room_for(self, stage: Stage) -> bool:  # noqa: ARG002  # for subclasses that see long audio
        """Tell whether the next run of the stage gets a span of its own."""
        return True

    def context(self) -> Context:
        """Return the current context with this operation and its span in it."""
        return otel_context.set_value(_OPERATION, self, trace.set_span_in_context(self.span))

    def finish(self, error: BaseException | None = None) -> None:
        """End the span and record the metrics, once; later calls change nothing."""
        if self.ended:
            return
        self.ended = True
        error_type = type(error).__qualname__ if error is not None else None
        with guarded("describe an engine operation"):
            self._describe(complete=error is None)
            if error_type is not None:
                fail(self.span, error_type)
            self.instruments.record(
                self.labels,
                seconds=self.worked,
                audio_seconds=self.audio_seconds,
                error_type=error_type,
                context=trace.set_span_in_context(self.span),
            )
        with guarded("end an engine operation"):
            self.span.end()

    def abandon(self, attribute: str) -> None:
        """
        End the span of work that its caller dropped half-way, marked by the attribute.

        No metrics: a part of the work says nothing about the engine's speed. (It
        also keeps locks out of a garbage collection that may have interrupted
        their holder.)
        """
        if self.ended:
            return
        self.ended = True
        with guarded("end an abandoned engine operation"):
            self.span.set_attribute(attribute, True)
            self._describe(complete=False)
            self.span.end()

    def _describe(self, *, complete: bool) -> None:
        self.span.set_attribute(semconv.SPEECH_ENGINE_DURATION, self.worked)
        if self.audio_seconds:
            self.span.set_attribute(semconv.SPEECH_AUDIO_DURATION, self.audio_seconds)
            if complete:
                self.span.set_attribute(semconv.SPEECH_REAL_TIME_FACTOR, self.worked / self.audio_seconds)


def current_operation() -> Operation | None:
    """Return the operation whose engine is working in this context."""
    found = otel_context.get_value(_OPERATION)
    return found if isinstance(found, Operation) else None


class Working:
    """The block in which an operation's engine works."""

    __slots__ = ("_operation", "_started", "_token")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._token: Token[Context] | None = None
        self._started = 0.0

    def __enter__(self) -> None:
        """Make the operation current."""
        self._token = otel_context.attach(self._operation.context())
        self._started = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the caller's context back."""
        self._operation.worked += time.perf_counter() - self._started
        if self._token is not None:
            otel_context.detach(self._token)


class StageRun:
    """The block in which one stage runs: a span (unless there are too many) and a duration."""

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

    def __enter__(self) -> Self:
        """Start the stage's span and make it current."""
        with guarded("start a stage span"):
            if self._visible:
                self.span = self._instruments.tracer.start_span(self._stage.span, attributes=self._attributes)
                self._token = otel_context.attach(trace.set_span_in_context(self.span))
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span, record the duration, and add it to the operation's total."""
        seconds = time.perf_counter() - self._started
        with guarded("end a stage span"):
            if error is not None:
                self._labels[semconv.ERROR_TYPE] = type(error).__qualname__
                fail(self.span, type(error).__qualname__)
            if self._total is not None:
                self._total.count += 1
                self._total.seconds += seconds
            self._instruments.stage_duration.record(seconds, self._labels)
        if self._token is not None:
            otel_context.detach(self._token)
        with guarded("end a stage span"):
            self.span.end()
