"""What comes from outside does not multiply series."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from voxtrace import stages
from voxtrace.stages.series import LIMIT, OTHER, Series

if TYPE_CHECKING:
    from voxtrace.stages.instruments import Instruments
    from voxtrace.testing import CapturedTelemetry


def test_the_first_sets_are_kept_and_the_rest_are_others() -> None:
    """A set that was told keeps its words for good; a new one past the limit loses the outside's."""
    series = Series(limit=1)
    first = {"gen_ai.operation.name": "translate", "gen_ai.request.model": "a"}
    assert series.bounded(first) is first
    late = {"gen_ai.operation.name": "translate", "gen_ai.request.model": "b"}
    assert series.bounded(late) == {"gen_ai.operation.name": "translate", "gen_ai.request.model": OTHER}
    assert series.bounded(dict(first)) == first


def test_ten_thousand_names_from_outside_make_no_more_than_200_series(
    telemetry: CapturedTelemetry, instruments: Instruments
) -> None:
    """Random languages, voices, file types and models leave every metric below 200 series."""
    chance = random.Random(7)  # noqa: S311  # names for a test
    cache = stages.TranslationCache(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )

    def word() -> str:
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=8))

    for _ in range(10_000):
        with stages.transcription(provider="mine", model=word(), language=word()) as transcription:
            transcription.audio(1.0)
            transcription.hear("words")
            transcription.detect(word(), 0.5)
            with transcription.stage("encode"):
                pass
        with stages.translation(
            provider="mine", model=word(), source_language=word(), target_language=word()
        ) as translation:
            translation.source("words")
        with stages.synthesis(provider="mine", model=word(), voice=word(), language=word()) as synthesis:
            synthesis.text("words")
            synthesis.audio(1.0)
            synthesis.first_audio()
        with cache.lookup(source_language=word(), target_language=word()) as lookup:
            lookup.hit(1.0)
        stages.upload(size=1, container=word())
        stages.record_error(word(), word())
        telemetry.clear()
    counted = {name: len(points) for name, points in telemetry.metrics().items()}
    assert {name: number for name, number in counted.items() if number > 200} == {}
    assert counted["gen_ai.client.operation.duration"] > LIMIT
    assert counted["speech.translation.cache.lookups"] > LIMIT
    assert counted.keys() >= {"speech.tts.duration", "speech.audio.size", "speech.errors"}
