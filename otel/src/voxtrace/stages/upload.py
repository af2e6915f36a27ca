"""An upload as a stage: what came in, in numbers, on the span that is current."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context
from opentelemetry import trace

from voxtrace import semconv
from voxtrace._guard import guarded

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.instruments import Instruments

_CONTAINER: Final = re.compile(r"[a-z0-9]{1,16}")


def record(
    instruments: Instruments,
    *,
    audio_seconds: float | None,
    size: int | None,
    container: str | None,
) -> None:
    """Say on the current span, as a rule that of the request, what was uploaded, and measure it."""
    with guarded("record an upload"):
        told: dict[str, AttributeValue] = {}
        if container and _CONTAINER.fullmatch(container):
            told[semconv.SPEECH_AUDIO_CONTAINER] = container
        described = dict(told)
        current = otel_context.get_current()
        if audio_seconds is not None:
            described[semconv.SPEECH_AUDIO_DURATION] = audio_seconds
        if size is not None:
            described[semconv.SPEECH_AUDIO_SIZE] = size
            instruments.audio_size(size, told, current)
        trace.get_current_span().set_attributes(described)
