"""The translation cache in memory, and what a store that fails does to a translation: nothing."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dogpile.cache
import pytest

from voxtrace import stages
from voxtrace.testing import CapturedTelemetry
from voxtrace_services.core import worker
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.broker import Delivery
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.messages import TranslateRequest
from voxtrace_services.core.results import Transcript
from voxtrace_services.core.settings import Settings
from voxtrace_services.translation import cache, store
from voxtrace_services.translation.cache import CachedTranslator, key_of
from voxtrace_services.translation.engine import NullTranslator
from voxtrace_services.translation.entries import Entries
from voxtrace_services.translation.store import BACK_OFF_SECONDS, Store, StoreError
from voxtrace_services.translation.worker import TranslationStage


@dataclass
class Shouter:
    """A translator that shouts, and remembers what it was given."""

    given: list[str] = field(default_factory=list)

    def translate(self, text: str, source: str, target: str) -> str:
        """Shout."""
        self.given.append(text)
        return f"{text.upper()} ({source} {target})"


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class Desk:
    """A translator behind a cache, and a hand on everything that it depends on."""

    captured: CapturedTelemetry
    clock: Clock
    engine: Shouter
    entries: Entries
    translator: CachedTranslator

    def ask(self, text: str, source: str = "en", target: str = "es", *, anew: bool) -> str:
        """Translate; only what is translated anew reaches the engine."""
        before = len(self.engine.given)
        translation = self.translator.translate(text, source, target)
        assert len(self.engine.given) - before == anew
        return translation

    def told(self) -> list[tuple[str, float | None]]:
        """What each lookup came to, and the age of what was found."""
        said = [span["attributes"] for span in self.captured.spans()]
        return [
            (each["speech.translation.cache.result"], each.get("speech.translation.cache.age"))
            for each in said
        ]

    def value(self, metric: str) -> Any:
        """The value of a metric that has one."""
        return [point["value"] for point in self.captured.metrics().get(metric, [])]


@pytest.fixture(name="desk")
def _desk(telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A cache in memory for two translations, for a minute."""
    clock, engine = Clock(), Shouter()
    # dogpile.cache has no clock to be given: it asks this one.
    monkeypatch.setattr(dogpile.cache.region.time, "time", clock)
    told = stages.TranslationCache(
        lambda: len(entries),
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
    )
    entries = Entries(2, told.evicted)
    kept = store.in_memory(entries, seconds=60)
    return Desk(telemetry, clock, engine, entries, CachedTranslator(engine, kept, told, engine="shouter"))


def test_the_same_again_is_a_hit(desk: Desk) -> None:
    """A text is translated once per pair of languages; again, it is found, and its age told."""
    assert desk.ask("hello", anew=True) == "HELLO (en es)"
    desk.clock.now += 12.5
    assert desk.ask("hello", anew=False) == "HELLO (en es)"
    assert desk.ask("hello", target="fr", anew=True) == "HELLO (en fr)"
    assert desk.told() == [("miss", None), ("hit", 12.5), ("miss", None)]


def test_what_was_not_used_for_longest_makes_room(desk: Desk) -> None:
    """The third of two entries evicts the one not used for longest, which is counted."""
    for text, anew in [("a", 1), ("b", 1), ("a", 0), ("c", 1), ("a", 0), ("b", 1), ("c", 1)]:
        desk.ask(text, anew=bool(anew))
    assert desk.value("speech.translation.cache.evictions") == [3]
    assert desk.value("speech.translation.cache.entries") == [2]


def test_what_is_too_old_is_a_miss(desk: Desk) -> None:
    """A translation is found up to its last second, then made anew and found again."""
    desk.ask("hello", anew=True)
    desk.clock.now += 60
    desk.ask("hello", anew=False)
    desk.clock.now += 1
    desk.ask("hello", anew=True)
    desk.ask("hello", anew=False)
    assert desk.told() == [("miss", None), ("hit", 60.0), ("miss", None), ("hit", 0.0)]
    assert desk.value("speech.translation.cache.evictions") == []


def test_no_word_is_in_a_key(desk: Desk) -> None:
    """A key is a hash: it holds neither the text nor its languages."""
    desk.ask("canary", "en", "es", anew=True)
    [key] = desk.entries._kept
    assert key.startswith("voxtrace:translation:")
    assert len(key.removeprefix("voxtrace:translation:")) == 64
    assert "canary" not in key


@pytest.mark.parametrize(
    "other",
    [
        ("b", "en", "es", "x"),
        ("a", "pt", "es", "x"),
        ("a", "en", "pt", "x"),
        ("a", "en", "es", "y"),
        ("a", "e", "nes", "x"),
        ("a", "en", "es", "x\ud800"),
    ],
)
def test_a_key_tells_translations_apart(other: tuple[str, str, str, str]) -> None:
    """Another engine, language or text is another key; the same is the same."""
    assert key_of("a", "en", "es", "x") == key_of("a", "en", "es", "x") != key_of(*other)


def test_a_failure_is_not_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the engine raises leaves as it is, and the next job asks the engine again."""
    error = EngineError("apertium ended with status 3")

    def fail(*_: str) -> str:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(desk.engine, "translate", fail)
        with pytest.raises(EngineError) as caught:
            desk.translator.translate("hello", "en", "es")
        assert caught.value is error
    desk.ask("hello", anew=True)
    assert desk.told() == [("miss", None), ("miss", None)]


@pytest.mark.parametrize(("url", "engine"), [("none", "apertium"), ("memory://", "null")])
def test_off(url: str, engine: Any) -> None:
    """Without a cache, and for the null engine that is to take its time, the engine itself translates."""
    translator = NullTranslator(0)
    settings = Settings(translation_cache_url=url, translation_engine=engine)
    assert cache.cached(translator, settings) is translator


def test_by_default_translations_are_kept_in_memory() -> None:
    """Without any setting the same text is translated once, and as many entries fit as are set."""
    engine = Shouter()
    translator = cache.cached(engine, Settings(translation_cache_entries=1))
    for text in ("a", "a", "b", "a"):
        translator.translate(text, "en", "es")
    assert engine.given == ["a", "b", "a"]


class Broken:
    """Entries that fail as told."""

    def __init__(self) -> None:
        self.error: Exception | None = ConnectionError("redis://:secret@host said canary")
        self.asked = 0

    def get(self, key: str, default: Any) -> Any:
        """Fail, or have nothing."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        return default

    __setitem__ = get


def test_a_store_that_is_away_is_left_alone(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It is asked once per back-off and told as unavailable; one warning, in words of ours; it comes back."""
    caplog.set_level(logging.INFO)
    broken, monotonic = Broken(), Clock()
    region = dogpile.cache.make_region().configure("dogpile.cache.memory", arguments={"cache_dict": broken})
    desk.translator._kept = Store(region, monotonic)
    for _ in range(3):
        desk.ask("hello", anew=True)
    assert broken.asked == 1
    monotonic.now += BACK_OFF_SECONDS
    desk.ask("hello", anew=True)
    assert broken.asked == 2
    broken.error = None
    monotonic.now += BACK_OFF_SECONDS
    desk.ask("hello", anew=True)
    assert [result for result, _ in desk.told()] == [*["unavailable"] * 4, "miss"]
    assert caplog.messages == ["translation cache is away", "translation cache is back"]
    assert caplog.records[0].exception_type == "ConnectionError"
    said = str([vars(record) for record in caplog.records])
    assert "secret" not in said
    assert "canary" not in said


def test_a_second_job_with_the_same_transcript_is_a_hit(desk: Desk, tmp_path: Path) -> None:
    """The second job of a text has a translation of its own, made by no engine; its span says so."""
    artifacts = ArtifactStore(tmp_path.as_uri())
    transcript = Transcript(text="hello", language="en", language_probability=1.0, duration=1.0, segments=())
    handle = worker.handler(TranslationStage(desk.translator), artifacts)
    for job in ("one", "two"):
        artifacts.write(f"{job}/transcript.json", transcript.model_dump_json().encode())
        request = TranslateRequest(
            job_id=job, transcript=f"{job}/transcript.json", source_language="en", target_language="es"
        )
        body = request.outgoing("translate").body
        with desk.captured.tracer("test").start_as_current_span(f"process {job}"):
            [outgoing] = handle(Delivery(body=body, routing_key="translate", queue="translate"))
        assert json.loads(outgoing.body)["translation"] == f"{job}/translation.json"
    assert artifacts.read("one/translation.json") == artifacts.read("two/translation.json")
    assert json.loads(artifacts.read("two/translation.json"))["text"] == "HELLO (en es)"
    assert desk.engine.given == ["hello"]
    processed = [span for span in desk.captured.spans() if span["name"].startswith("process")]
    assert [span["attributes"]["speech.translation.cache.result"] for span in processed] == ["miss", "hit"]


def test_a_client_that_is_not_installed_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an address names a Redis and its client is not there, the error at start says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StoreError, match=r"pip install 'voxtrace-services\[redis\]'"):
        cache.cached(Shouter(), Settings(translation_cache_url="redis://host/0"))


@pytest.mark.parametrize("url", ["redis://host:port/0", "redis://host/?socket_timeout=soon"])
def test_an_address_that_is_none_stops_the_start(url: str) -> None:
    """A wrong address is an error at start that names the variable, and does not quote the address."""
    with pytest.raises(
        StoreError, match=r"^VOXTRACE_TRANSLATION_CACHE_URL is no address of a Redis"
    ) as caught:
        cache.cached(Shouter(), Settings(translation_cache_url=url))
    assert "host:port" not in str(caught.value)
