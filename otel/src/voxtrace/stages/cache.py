"""A cache of translations: what each lookup came to, how old its find was, what the cache let go."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Final, Self

from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.metrics import Observation

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace._version import __version__
from voxtrace.stages.series import bounded
from voxtrace.stages.stage import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider
    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.series import Record

_SCOPE: Final = "voxtrace.stages.cache"
_NAME: Final = "speech.cache.lookup"


class TranslationCache:
    """
    The cache that a program asks before it translates.

    Keep the object for as long as its entries are counted. A hit is no translation: it is neither counted nor
    timed nor priced as one, so that it does not pass for a fast engine.
    """

    def __init__(
        self,
        entries: Callable[[], int] | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        """
        Make the instruments of a cache.

        Args:
            entries: Returns how many entries there are; asked whenever metrics are collected.
            tracer_provider: Who takes the spans, if not the global provider.
            meter_provider: Who collects the metrics, if not the global provider.
        """
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider, semconv.SCHEMA_URL)
        self._tracer: Tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider, semconv.SCHEMA_URL)
        self._lookups = bounded(semconv.METRIC_SPEECH_TRANSLATION_CACHE_LOOKUPS.counter(meter).add)
        self._age = bounded(semconv.METRIC_SPEECH_TRANSLATION_CACHE_AGE.histogram(meter).record)
        self._evictions = semconv.METRIC_SPEECH_TRANSLATION_CACHE_EVICTIONS.counter(meter)
        self._entries = entries
        if entries is None:
            return
        # The meter keeps its callback for ever, and with a strong reference all that `entries` holds.
        observe = weakref.WeakMethod(self._observe)

        def callback(options: CallbackOptions) -> Iterable[Observation]:
            bound = observe()
            return [] if bound is None else bound(options)

        semconv.METRIC_SPEECH_TRANSLATION_CACHE_ENTRIES.observable_gauge(meter, callback)

    def lookup(self, *, source_language: str | None = None, target_language: str | None = None) -> Lookup:
        """
        Begin a lookup; use it by `with`, around the question to the cache alone.

        Args:
            source_language: From which language the text is to be translated.
            target_language: Into which.
        """
        pair = {
            semconv.SPEECH_TRANSLATION_SOURCE_LANGUAGE: source_language,
            semconv.SPEECH_TRANSLATION_TARGET_LANGUAGE: target_language,
        }
        languages: dict[str, AttributeValue] = {key: value for key, value in pair.items() if value}
        return Lookup(self._tracer, languages, lookups=self._lookups, ages=self._age)

    def evicted(self, number: int = 1) -> None:
        """Count entries that made room for others."""
        with guarded("count evictions"):
            self._evictions.add(number, {}, otel_context.get_current())

    def _observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        with guarded("count the entries of a cache"):
            return [] if self._entries is None else [Observation(self._entries())]
        return []


class Lookup:
    """
    The block in which the cache is asked, as a span; a miss unless told otherwise.

    What it came to is on the span that was current before, too.
    """

    def __init__(
        self, tracer: Tracer, languages: dict[str, AttributeValue], *, lookups: Record, ages: Record
    ) -> None:
        self.span: Span = trace.INVALID_SPAN
        self._tracer = tracer
        self._languages = languages
        self._lookups = lookups
        self._ages = ages
        self._around: Span = trace.INVALID_SPAN
        self._token: Token[Context] | None = None
        self._result = semconv.SPEECH_CACHE_RESULT_MISS
        self._found_age: float | None = None

    def __enter__(self) -> Self:
        """Start the span and make it current."""
        with guarded("start the span of a lookup"):
            self._around = trace.get_current_span()
            self.span = self._tracer.start_span(_NAME, attributes=self._languages)
            self._token = otel_context.attach(trace.set_span_in_context(self.span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span and count the lookup; one that an exception ends is `unavailable`."""
        if error is not None:
            self.unavailable()
        with guarded("measure a lookup"):
            self._measure(error)
        if self._token is not None:
            otel_context.detach(self._token)
        with guarded("end the span of a lookup"):
            self.span.end()

    def hit(self, age: float | None = None) -> None:
        """
        Say that the translation was there.

        Args:
            age: Seconds since it was made, if that is known.
        """
        self._result = semconv.SPEECH_CACHE_RESULT_HIT
        self._found_age = max(age, 0.0) if age is not None and math.isfinite(age) else None

    def unavailable(self) -> None:
        """Say that the cache did not answer, or not with a translation."""
        self._result = semconv.SPEECH_CACHE_RESULT_UNAVAILABLE
        self._found_age = None

    def _measure(self, error: BaseException | None) -> None:
        current = otel_context.get_current()
        told: dict[str, AttributeValue] = {semconv.SPEECH_TRANSLATION_CACHE_RESULT: self._result}
        if self._found_age is not None:
            told[semconv.SPEECH_TRANSLATION_CACHE_AGE] = self._found_age
            self._ages(self._found_age, self._languages, current)
        self._lookups(1, {semconv.SPEECH_CACHE_RESULT: self._result, **self._languages}, current)
        self.span.set_attributes(told)
        self._around.set_attributes(told)
        if error is not None:
            fail(self.span, type(error).__qualname__)
