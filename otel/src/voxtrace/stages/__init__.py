"""
Speech work as spans and metrics: for engines and services that Voxtrace does not know.

    with stages.transcription(provider="my_engine", model="large", language="en") as work:
        work.audio(seconds=len(samples) / 16_000)
        with work.stage("encode"):
            encoded = encode(samples)
        for segment in decode(encoded):
            work.hear(segment.text)

Each object is a span, its duration, its count, its error and its usage in one; the
instrumentations of `voxtrace.engines` are made of the same. From the outside in:

- `by_hand`: how a program of one's own begins a stage; `job`, `cache`: what passes through several.
- `transcription`, `translation`, `synthesis`, `upload`: what each says in numbers; `model`: one is loaded.
- `operation`: a piece of work as a span; `stage`: a step inside it.
- `evidence`: what a transcription is judged by; `usage`: what work used and cost.
- `texts`: how words and characters are counted; `voices`: which were used lately.
- `instruments`: the tracer and the metrics; `series`: how many sets of attributes one may have.
"""

from voxtrace.stages.by_hand import Timer, record_error, synthesis, transcription, translation, upload
from voxtrace.stages.cache import TranslationCache
from voxtrace.stages.job import Jobs
from voxtrace.stages.stage import Stage
from voxtrace.stages.synthesis import Synthesis
from voxtrace.stages.transcription import Transcription
from voxtrace.stages.translation import Translation

__all__ = [
    "Jobs",
    "Stage",
    "Synthesis",
    "Timer",
    "Transcription",
    "Translation",
    "TranslationCache",
    "record_error",
    "synthesis",
    "transcription",
    "translation",
    "upload",
]
