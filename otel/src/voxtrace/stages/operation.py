"""One piece of speech work as a span: its stages, the time the engine worked, how it ended, what it used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from opentelemetry import context as otel_context
from opentelemetry import trace

from voxtrace import semconv
from voxtrace._capture import capturing
from voxtrace._evaluation import announce
from voxtrace._guard import guarded
from voxtrace.stages.stage import Stage, StageRun, Total, fail
from voxtrace.stages.usage import Usage, bill

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from voxtrace.quality import Verdict
    from voxtrace.stages.instruments import Instruments

_OPERATION = otel_context.create_key("voxtrace-engine-operation")


def labels(operation: str | None, *, provider: str, model: str | None) -> dict[str, AttributeValue]:
    """Return the attributes that spans and metrics share; all are of low cardinality."""
    found = {
        semconv.GEN_AI_OPERATION_NAME: operation,
        semconv.GEN_AI_PROVIDER_NAME: provider,
        semconv.GEN_AI_REQUEST_MODEL: model,
    }
    return {key: value for key, value in found.items() if value is not None}


class Operation:
    """
    A piece of work as one span, its duration, its usage and its error.

    As a context manager it is the work in its block. An engine's instrumentation
    makes it current only while the engine works (`working`): it may stay open
    between two pieces of work (a lazy generator) and be worked on by several
    threads in turn; it never leaks into the caller's context.

    Attributes:
        labels: What its span and all its measurements say: operation, provider, model.
        audio_seconds: Length of the audio, once it is known.
        worked: For how long the engine worked, in seconds.
        totals: How often each stage ran, and for how long.
        ended: Whether its span is over.
    """

    def __init__(
        self,
        instruments: Instruments,
        *,
        operation: str,
        provider: str,
        model: str | None,
        attributes: Mapping[str, AttributeValue] | None = None,
        context: Context | None = None,
        start_time: int | None = None,
    ) -> None:
        """
        Start the span.

        Args:
            instruments: What to trace and measure with.
            operation: The value of `gen_ai.operation.name`.
            provider: The engine.
            model: Its model, where it is known.
            attributes: What else is known from the start.
            context: Where the work belongs, if not to the current context.
            start_time: When it began, in ns since the epoch, if not now.
        """
        self.labels = labels(operation, provider=provider, model=model)
        self.instruments = instruments
        self.ended = False
        self.audio_seconds: float | None = None
        self.totals: dict[Stage, Total] = {}
        self.worked = 0.0
        self._block: Working | None = None
        self._beyond = context
        self.span: Span = trace.INVALID_SPAN
        with guarded("start the span of an operation"):
            self.span = instruments.tracer.start_span(
                f"{operation} {model}" if model else operation,
                context,
                attributes={**self.labels, **(attributes or {})},
                start_time=start_time,
            )

    def __enter__(self) -> Self:
        """Work in the block: the span is current there."""
        self._block = self.working()
        self._block.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; an exception marks it as failed and goes on as it is."""
        if self._block is not None:
            self._block.__exit__(kind, error, traceback)
            self._block = None
        self.finish(error)

    def working(self) -> Working:
        """Make this operation current, and count the time, while the block runs."""
        return Working(self)

    def stage(self, stage: Stage | str, attributes: Mapping[str, AttributeValue] | None = None) -> StageRun:
        """
        Time the block as a stage of this operation, with a span of its own unless there are too many.

        Args:
            stage: The stage, or its name in a word, such as `encode`.
            attributes: What its span says.
        """
        stage = Stage(f"speech.{stage}", stage) if isinstance(stage, str) else stage
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

    def content(self, attribute: str, text: str) -> None:
        """Set what was said on the span, under a name of `speech.pii`, if that was switched on."""
        if capturing():
            self.span.set_attribute(attribute, text)

    def finish(self, error: BaseException | None = None) -> None:
        """End the span and record the metrics, once; later calls change nothing."""
        self.close(error_type=type(error).__qualname__ if error is not None else None)

    def close(self, *, error_type: str | None = None, end_time: int | None = None) -> None:
        """
        End the span and record the metrics, once; later calls change nothing.

        Args:
            error_type: What went wrong, if anything did.
            end_time: When it ended, in ns since the epoch, if not now.
        """
        if self.ended:
            return
        self.ended = True
        with guarded("describe an engine operation"):
            self._describe(complete=error_type is None)
            if error_type is not None:
                fail(self.span, error_type)
        with guarded("measure an engine operation"):
            context = trace.set_span_in_context(self.span, self._beyond)
            self._measure(error_type, context)
            announce(
                self._verdicts(complete=error_type is None),
                span=self.span,
                count=self.instruments.quality_flags,
                labels=self.labels,
                context=context,
                timestamp=end_time,
            )
        with guarded("end an engine operation"):
            self.span.end(end_time)

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

    def varieties(self) -> dict[str, AttributeValue]:
        """Return what measurements tell apart beside operation, provider and model: languages, voices."""
        return {}

    def usage(self) -> Usage:
        """Return what the operation used."""
        return Usage(audio=self.audio_seconds or 0.0, compute=self.worked)

    def _verdicts(self, *, complete: bool) -> tuple[Verdict, ...]:  # noqa: ARG002  # for the stages
        """Judge the work; what was given up is judged by its input alone."""
        return ()

    def _describe(self, *, complete: bool) -> None:
        self.span.set_attributes({**self.varieties(), semconv.SPEECH_ENGINE_DURATION: self.worked})
        if self.audio_seconds:
            self.span.set_attribute(semconv.SPEECH_AUDIO_DURATION, self.audio_seconds)
            if complete:
                self.span.set_attribute(semconv.SPEECH_REAL_TIME_FACTOR, self.worked / self.audio_seconds)

    def _measure(self, error_type: str | None, context: Context) -> None:
        """Record the metrics; a failed operation has a duration and a usage but neither audio nor factor."""
        told = {**self.labels, **self.varieties()}
        instruments = self.instruments
        bill(self.span, instruments, told, self.usage(), failed=error_type is not None, context=context)
        if error_type is not None:
            instruments.operation_duration(self.worked, {**told, semconv.ERROR_TYPE: error_type}, context)
            return
        instruments.operation_duration(self.worked, told, context)
        if self.audio_seconds:
            instruments.audio_duration(self.audio_seconds, told, context)
            instruments.real_time_factor(self.worked / self.audio_seconds, told, context)


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
