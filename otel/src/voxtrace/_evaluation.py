"""Measurements and verdicts, as a span, its events and a counter tell them; proxies."""

from __future__ import annotations

import functools
import importlib.util
import math
import sys
import threading
from typing import TYPE_CHECKING

from voxtrace import semconv
from voxtrace.audio import measure
from voxtrace.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from voxtrace.audio import AudioHealth
    from voxtrace.quality import Verdict
    from voxtrace.stages.series import Record


def ready() -> bool:
    """
    Tell whether audio can be measured at once: numpy is loaded.

    Where it is installed and not loaded, it is loaded aside from now on, for that takes a fifth of a second:
    the program that is watched waits for nothing, and its first recordings are not heard.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        return not getattr(numpy.__spec__, "_initializing", False)
    _load_aside()
    return False


@functools.cache
def _load_aside() -> None:
    if importlib.util.find_spec("numpy") is not None:
        threading.Thread(
            target=importlib.import_module, args=("numpy",), name="voxtrace-numpy", daemon=True
        ).start()


def measured(samples: ArrayLike, sample_rate: float) -> AudioHealth | None:
    """Measure a recording, or say nothing where numpy is missing."""
    try:
        return measure(samples, sample_rate)
    except MissingDependencyError:
        return None


def audio_attributes(health: AudioHealth) -> dict[str, AttributeValue]:
    """The attributes of a recording's health; its duration is the engine's to tell."""
    found: dict[str, AttributeValue] = {
        semconv.SPEECH_AUDIO_PEAK_LEVEL: health.peak_level,
        semconv.SPEECH_AUDIO_LOUDNESS: health.loudness,
        semconv.SPEECH_AUDIO_CLIPPING_RATIO: health.clipping_ratio,
        semconv.SPEECH_AUDIO_SILENCE_RATIO: health.silence_ratio,
        semconv.SPEECH_AUDIO_DC_OFFSET: health.dc_offset,
    }
    if health.snr is not None:
        found[semconv.SPEECH_AUDIO_SNR] = health.snr
    return found


def announce(
    verdicts: Sequence[Verdict],
    *,
    span: Span,
    count: Record,
    labels: Mapping[str, AttributeValue],
    context: Context,
    timestamp: int | None = None,
) -> None:
    """
    Put the verdicts on the span they are about, and count those that failed.

    Args:
        verdicts: What was judged; their explanations hold no content.
        span: The operation's.
        count: Counts flags.
        labels: The operation's attributes of low cardinality; the count has them too.
        context: With the span in it, so that an exemplar finds its trace.
        timestamp: When, in ns since 1970; now by default, but a span written in retrospect has ended before.
    """
    for verdict in verdicts:
        event: dict[str, AttributeValue] = {
            semconv.GEN_AI_EVALUATION_NAME: verdict.name,
            semconv.GEN_AI_EVALUATION_SCORE_LABEL: verdict.label,
        }
        if math.isfinite(verdict.score):
            event[semconv.GEN_AI_EVALUATION_SCORE_VALUE] = float(verdict.score)
        if verdict.explanation is not None:
            event[semconv.GEN_AI_EVALUATION_EXPLANATION] = verdict.explanation
        span.add_event(semconv.EVENT_GEN_AI_EVALUATION_RESULT, event, timestamp)
    flags = [verdict.name for verdict in verdicts if verdict.failed]
    if flags:
        span.set_attribute(semconv.SPEECH_QUALITY_FLAGS, flags)
    for flag in flags:
        count(1, {**labels, semconv.SPEECH_QUALITY_FLAG_NAME: flag}, context)
