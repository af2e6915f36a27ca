"""Verdicts on audio, transcripts, translations and synthesized speech; proxies, all of them."""

from voxtrace.quality.thresholds import ENVIRONMENT_PREFIX, Thresholds, configured
from voxtrace.quality.transcript import of_transcript
from voxtrace.quality.verdict import Verdict
from voxtrace.quality.verdicts import of_audio, of_synthesis, of_translation

__all__ = [
    "ENVIRONMENT_PREFIX",
    "Thresholds",
    "Verdict",
    "configured",
    "of_audio",
    "of_synthesis",
    "of_transcript",
    "of_translation",
]
