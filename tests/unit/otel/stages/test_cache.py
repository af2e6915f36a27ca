"""A translation cache, as its lookups and evictions are told."""

from __future__ import annotations

import gc
import math
from typing import TYPE_CHECKING, Any

import pytest

from voxtrace.stages import TranslationCache

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

LANGUAGES = {"speech.translation.source_language": "en", "speech.translation.target_language": "es"}


@pytest.fixture
def cache(telemetry: CapturedTelemetry) -> TranslationCache:
    """A cache without an entry."""
    return TranslationCache(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )


def counted(telemetry: CapturedTelemetry) -> dict[str, int]:
    """The lookups by what they came to."""
    points = telemetry.metrics()["speech.translation.cache.lookups"]
    return {point["attributes"]["speech.cache.result"]: point["value"] for point in points}


def test_a_hit_is_a_span_and_is_told_on_the_span_around_it(
    telemetry: CapturedTelemetry, cache: TranslationCache
) -> None:
    """A hit and its age are on the lookup and on the span that was current; its time is measured."""
    with (
        telemetry.tracer("test").start_as_current_span("process"),
        cache.lookup(source_language="en", target_language="es") as lookup,
    ):
        lookup.hit(12.5)
    told = {"speech.translation.cache.age": 12.5, "speech.translation.cache.result": "hit"}
    assert telemetry.spans() == [
        {"name": "process", "trace": 1, "span": 1, "start": 1, "end": 4, "attributes": told},
        {
            "name": "speech.cache.lookup",
            "trace": 1,
            "span": 2,
            "parent": 1,
            "start": 2,
            "end": 3,
            "attributes": {**LANGUAGES, **told},
        },
    ]
    metrics = telemetry.metrics()
    assert metrics["speech.translation.cache.lookups"] == [
        {"attributes": {"speech.cache.result": "hit", **LANGUAGES}, "value": 1}
    ]
    assert metrics["speech.translation.cache.age"] == [{"attributes": LANGUAGES, "count": 1, "sum": 12.5}]


def test_a_lookup_is_a_miss_unless_told_otherwise(
    telemetry: CapturedTelemetry, cache: TranslationCache
) -> None:
    """What is not said to be found is a miss; what did not answer is neither, and no error."""
    with cache.lookup():
        pass
    with cache.lookup() as lookup:
        lookup.hit(1.0)
        lookup.unavailable()
    assert counted(telemetry) == {"miss": 1, "unavailable": 1}
    assert [(span["attributes"], "status" in span) for span in telemetry.spans()] == [
        ({"speech.translation.cache.result": "miss"}, False),
        ({"speech.translation.cache.result": "unavailable"}, False),
    ]
    assert "speech.translation.cache.age" not in telemetry.metrics()


def test_an_exception_leaves_a_lookup_as_it_is(telemetry: CapturedTelemetry, cache: TranslationCache) -> None:
    """A lookup that raises is unavailable, its span failed, and the exception goes on."""
    error = ConnectionError("at 10.0.0.1")
    with pytest.raises(ConnectionError) as caught, cache.lookup():
        raise error
    assert caught.value is error
    (span,) = telemetry.spans()
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "ConnectionError")
    assert "events" not in span
    assert counted(telemetry) == {"unavailable": 1}


@pytest.mark.parametrize(("age", "told"), [(-3.0, 0.0), (math.nan, None), (math.inf, None), (None, None)])
def test_an_age_that_cannot_be_is_not_told(
    telemetry: CapturedTelemetry, cache: TranslationCache, age: float | None, told: float | None
) -> None:
    """Another machine's clock makes no age negative, and what is no number is left out."""
    with cache.lookup() as lookup:
        lookup.hit(age)
    (span,) = telemetry.spans()
    assert span["attributes"].get("speech.translation.cache.age") == told
    assert counted(telemetry) == {"hit": 1}


def test_evictions_and_entries_are_counted(telemetry: CapturedTelemetry) -> None:
    """Evictions add up; entries are asked for at each collection, and of a dropped cache no more."""
    kept: dict[str, str] = {"a": "b"}
    cache = TranslationCache(lambda: len(kept), meter_provider=telemetry.meter_provider)
    cache.evicted()
    cache.evicted(2)

    def value(metric: str) -> Any:
        return [point["value"] for point in telemetry.metrics().get(metric, [])]

    assert value("speech.translation.cache.evictions") == [3]
    assert value("speech.translation.cache.entries") == [1]
    kept.clear()
    assert value("speech.translation.cache.entries") == [0]
    del cache
    gc.collect()
    assert value("speech.translation.cache.entries") == []
