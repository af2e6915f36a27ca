"""A model that is loaded: a cold start is a span of its own, and what is loaded is counted."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Self

from opentelemetry import context as otel_context
from opentelemetry import trace

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.stages.operation import labels
from voxtrace.stages.stage import fail

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.instruments import Instruments


class ModelLoad:
    """The block in which a model is loaded."""

    def __init__(self, instruments: Instruments, *, provider: str, model: str | None) -> None:
        self.span: Span = trace.INVALID_SPAN
        self._instruments = instruments
        self._provider = provider
        self._labels = labels(None, provider=provider, model=model)
        self._token: Token[Context] | None = None
        self._started = 0.0

    def __enter__(self) -> Self:
        """Start the span and make it current."""
        with guarded("start the span of a model load"):
            model = self._labels.get(semconv.GEN_AI_REQUEST_MODEL)
            self.span = self._instruments.tracer.start_span(
                f"speech.model.load {model}" if model else "speech.model.load", attributes=self._labels
            )
            self._token = otel_context.attach(trace.set_span_in_context(self.span))
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span and record the duration."""
        seconds = time.perf_counter() - self._started
        with guarded("measure a model load"):
            measured = self._labels
            if error is not None:
                fail(self.span, type(error).__qualname__)
                measured = {**measured, semconv.ERROR_TYPE: type(error).__qualname__}
            self._instruments.model_load_duration(seconds, measured, otel_context.get_current())
        if self._token is not None:
            otel_context.detach(self._token)
        with guarded("end the span of a model load"):
            self.span.end()

    def named(self, model: str) -> None:
        """Say which model it is, where only its file tells."""
        with guarded("name a loaded model"):
            self._labels = labels(None, provider=self._provider, model=model)
            self.span.update_name(f"speech.model.load {model}")
            self.span.set_attributes(self._labels)

    def loaded(self, model: object, **described: AttributeValue) -> None:
        """
        Count the model for as long as it lives, and say on the span what is known of it.

        Args:
            model: The loaded model; one that cannot be referred to weakly is not counted.
            described: `device` and `compute_type`.
        """
        with guarded("count a loaded model"):
            names = {"device": semconv.SPEECH_ASR_DEVICE, "compute_type": semconv.SPEECH_ASR_COMPUTE_TYPE}
            self.span.set_attributes({names[key]: value for key, value in described.items()})
            add = self._instruments.models_loaded
            weakref.finalize(model, add, -1, self._labels, otel_context.Context()).atexit = False
            add(1, self._labels, otel_context.get_current())
