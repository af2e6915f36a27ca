"""The synthesis service: from a translation to speech, and the word that the job is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from voxtrace_services.core import worker
from voxtrace_services.core.messages import JobEvent, SynthesizeRequest
from voxtrace_services.core.results import SPEECH, Translation
from voxtrace_services.core.topology import EVENTS, SYNTHESIZE
from voxtrace_services.synthesis import engine

if TYPE_CHECKING:
    from voxtrace_services.core.artifacts import ArtifactStore
    from voxtrace_services.core.bootstrap import Runtime
    from voxtrace_services.core.broker import Outgoing


@dataclass(frozen=True)
class SynthesisStage:
    """The stage that speaks."""

    engine: engine.Synthesizer

    queue: ClassVar[str] = SYNTHESIZE
    request: ClassVar[type[SynthesizeRequest]] = SynthesizeRequest
    result: ClassVar[str] = SPEECH

    def work(self, request: SynthesizeRequest, store: ArtifactStore) -> bytes:
        """Speak the translation."""
        text = worker.content(Translation, store, request.translation).text
        return self.engine.synthesize(text, request.language, request.voice)

    def follow(self, request: SynthesizeRequest, result: bytes) -> Outgoing:  # noqa: ARG002  the seam's signature
        """Say that the job is done."""
        return JobEvent(job_id=request.job_id, outcome="completed", stage="synthesis").outgoing(EVENTS)


def main(runtime: Runtime) -> None:
    """Run the service."""
    worker.serve(runtime, lambda settings: SynthesisStage(engine.load(settings)))
