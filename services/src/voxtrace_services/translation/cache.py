"""A translator that first looks whether the same was translated before."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from voxtrace import stages
from voxtrace_services.translation import store
from voxtrace_services.translation.entries import Entries
from voxtrace_services.translation.store import UnavailableError

if TYPE_CHECKING:
    from voxtrace_services.core.settings import Settings
    from voxtrace_services.translation.engine import Translator
    from voxtrace_services.translation.store import Store


class CachedTranslator:
    """A translator behind a cache, which may be slow, away or wrong: the text is translated all the same."""

    def __init__(
        self, translator: Translator, kept: Store, telemetry: stages.TranslationCache, *, engine: str
    ) -> None:
        """
        Put a cache before a translator.

        Args:
            translator: Translates what is not in the cache.
            kept: What is.
            telemetry: Is told of every lookup.
            engine: The translator's name: engines do not share translations.
        """
        self._translator = translator
        self._kept = kept
        self._telemetry = telemetry
        self._engine = engine

    def translate(self, text: str, source: str, target: str) -> str:
        """Give the translation that is kept, or make one and keep it; what fails is not kept."""
        key = key_of(self._engine, source, target, text)
        found = self._find(key, source, target)
        if found is None:
            found = self._translator.translate(text, source, target)
            self._kept.keep(key, found)
        return found

    def forget(self) -> None:
        """Find nothing of what was kept until now."""
        self._kept.forget()

    def _find(self, key: str, source: str, target: str) -> str | None:
        with self._telemetry.lookup(source_language=source, target_language=target) as lookup:
            try:
                found = self._kept.find(key)
            except UnavailableError:
                lookup.unavailable()
                return None
            if found is None:
                return None
            lookup.hit(found.age)
            return found.text


def cached(translator: Translator, settings: Settings) -> Translator:
    """
    Put the cache that the settings name before the translator, or none.

    The null engine has none: it is there to take its time.

    Raises:
        StoreError: There can be no such cache.
    """
    url, engine = settings.translation_cache_url, settings.translation_engine
    if url == "none" or engine == "null":
        return translator
    seconds = settings.translation_cache_seconds
    if url != "memory://":
        kept = store.in_redis(url, seconds=seconds)
        return CachedTranslator(translator, kept, stages.TranslationCache(), engine=engine)
    telemetry = stages.TranslationCache(lambda: len(entries))
    entries = Entries(settings.translation_cache_entries, telemetry.evicted)
    return CachedTranslator(translator, store.in_memory(entries, seconds=seconds), telemetry, engine=engine)


def key_of(engine: str, source: str, target: str, text: str) -> str:
    """The key of a translation, in which no word of the text can be read."""
    told = json.dumps([engine, source, target, text]).encode()
    return f"voxtrace:translation:{hashlib.sha256(told).hexdigest()}"
