"""The translation service: from a transcript to its translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from voxtrace_services.core import worker
from voxtrace_services.core.messages import SynthesizeRequest, TranslateRequest
from voxtrace_services.core.results import TRANSLATION, Transcript, Translation, artifact
from voxtrace_services.core.topology import SYNTHESIZE, TRANSLATE
from voxtrace_services.translation import cache, engine

if TYPE_CHECKING:
    from voxtrace_services.core.artifacts import ArtifactStore
    from voxtrace_services.core.bootstrap import Runtime
    from voxtrace_services.core.broker import Outgoing


@dataclass(frozen=True)
class TranslationStage:
    """The stage that translates."""

    engine: engine.Translator

    queue: ClassVar[str] = TRANSLATE
    request: ClassVar[type[TranslateRequest]] = TranslateRequest
    result: ClassVar[str] = TRANSLATION

    def work(self, request: TranslateRequest, store: ArtifactStore) -> bytes:
        """Translate the transcript; text that is in the target language already stays as it is."""
        text = worker.content(Transcript, store, request.transcript).text
        if _primary(request.source_language) != _primary(request.target_language):
            text = self.engine.translate(text, request.source_language, request.target_language)
        translation = Translation(
            text=text.strip(),
            source_language=request.source_language,
            target_language=request.target_language,
        )
        return translation.model_dump_json().encode()

    def forget(self) -> None:
        """Forget earlier translations."""
        if isinstance(self.engine, cache.CachedTranslator):
            self.engine.forget()

    def follow(self, request: TranslateRequest, result: bytes) -> Outgoing:  # noqa: ARG002  the seam's signature
        """Ask for the speech."""
        return SynthesizeRequest(
            job_id=request.job_id,
            translation=artifact(request.job_id, TRANSLATION),
            language=request.target_language,
            voice=request.voice,
        ).outgoing(SYNTHESIZE)


def main(runtime: Runtime) -> None:
    """Run the service."""
    worker.serve(runtime, lambda settings: TranslationStage(cache.cached(engine.load(settings), settings)))


def _primary(language: str) -> str:
    return language.partition("-")[0]
