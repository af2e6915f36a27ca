"""How many voices are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions

from voxtrace.stages import voices
from voxtrace.stages.voices import ACTIVE_SECONDS, MAX_VOICES, Voices

if TYPE_CHECKING:
    import pytest


def active(used: Voices) -> dict[str, int]:
    """The number of active voices by engine."""
    found = used.observe(CallbackOptions())
    return {str((one.attributes or {})["gen_ai.provider.name"]): int(one.value) for one in found}


def test_a_voice_is_active_for_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each voice counts once while it is in use, and an engine whose voices fell silent has 0."""
    now = 1000.0
    monkeypatch.setattr(voices.time, "monotonic", lambda: now)
    used = Voices()
    for voice in ("ana", "ana", "bob"):
        used.use("piper", voice)
    assert active(used) == {"piper": 2}
    now += ACTIVE_SECONDS
    used.use("piper", "ana")
    assert active(used) == {"piper": 2}
    now += 1
    assert active(used) == {"piper": 1}
    now += ACTIVE_SECONDS
    assert active(used) == {"piper": 0}


def test_no_more_voices_are_remembered_than_can_be() -> None:
    """A voice from outside for each request does not fill the memory."""
    used = Voices()
    for number in range(MAX_VOICES + 10):
        used.use("piper", f"voice-{number}")
    assert active(used) == {"piper": MAX_VOICES}
