"""Jobs that pass through several services: how many there are, and how long each took from end to end."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context
from opentelemetry import metrics
from opentelemetry.metrics import Observation

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.metrics import CallbackOptions, MeterProvider
    from opentelemetry.util.types import AttributeValue

_SCOPE: Final = "voxtrace.stages.job"


class Jobs:
    """
    The jobs of one service that takes them in and hears of their end.

    Keep the object for as long as jobs are counted.
    """

    def __init__(
        self,
        count: Callable[[], Mapping[str, int]],
        *,
        age: Callable[[], Mapping[str, float]] | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        """
        Count jobs whenever metrics are collected.

        Args:
            count: Returns the number of jobs in each state there is; also those with none.
            age: Returns for each state of unfinished jobs the seconds since its oldest was taken in; 0
                where there is none, or the age of the last would stand for ever.
            meter_provider: Who collects, if not the global provider.
        """
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider, semconv.SCHEMA_URL)
        self._count = count
        self._age = age
        self._duration = semconv.METRIC_SPEECH_JOB_DURATION.histogram(meter)
        semconv.METRIC_SPEECH_JOBS.observable_gauge(meter, _weakly(self._counted))
        if age is not None:
            semconv.METRIC_SPEECH_JOB_AGE.observable_gauge(meter, _weakly(self._aged))

    def finished(self, outcome: str, seconds: float, *, stage: str | None = None) -> None:
        """
        Record that a job ended.

        Args:
            outcome: `completed` or `failed`.
            seconds: Time since it was taken in.
            stage: Where it failed, if it did.
        """
        with guarded("record a job's end"):
            told: dict[str, AttributeValue] = {semconv.SPEECH_JOB_OUTCOME: outcome}
            if stage is not None:
                told[semconv.SPEECH_JOB_FAILED_STAGE] = stage
            self._duration.record(max(seconds, 0.0), told, otel_context.get_current())

    def _counted(self) -> Iterable[Observation]:
        return _by_state("count jobs", self._count)

    def _aged(self) -> Iterable[Observation]:
        return () if self._age is None else _by_state("ask for the oldest jobs", self._age)


def _weakly(
    method: Callable[[], Iterable[Observation]],
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    # The meter keeps its callback for ever, and with a strong reference all that the count holds.
    reference = weakref.WeakMethod(method)

    def callback(_options: CallbackOptions) -> Iterable[Observation]:
        bound = reference()
        return () if bound is None else bound()

    return callback


def _by_state(what: str, ask: Callable[[], Mapping[str, float]]) -> Iterable[Observation]:
    with guarded(what):
        return [Observation(number, {semconv.SPEECH_JOB_STATE: state}) for state, number in ask().items()]
    return ()
