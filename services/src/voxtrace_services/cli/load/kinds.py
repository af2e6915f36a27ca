"""The faults that a client can make, and what the gateway and the pipeline should make of each."""

from __future__ import annotations

from dataclasses import dataclass

SOUND = "sound"
BROKEN = "broken"
DUPLICATE = "duplicate"
EMPTY = "empty"
OVERSIZED = "oversized"
TRUNCATED = "truncated"
WRONG_TYPE = "wrong-type"

ACCEPTED = 202


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """
    What should become of an upload.

    Attributes:
        accepted: the gateway may take it.
        ends: how it then ends.
        refusals: the problems, by code, that the gateway may answer with; empty where no answer is fine too.
        silence: no answer at all is fine.
        audio: a sound recording is sent, or a part of one.
        damaged: the recording that is sent is damaged.
    """

    accepted: bool = False
    ends: str = "completed"
    refusals: frozenset[str] = frozenset()
    silence: bool = False
    audio: bool = False
    damaged: bool = False


#: Sound speech is taken, but for a language that is not offered.
SPEECH = Expectation(accepted=True, refusals=frozenset({"unsupported_language"}), audio=True)

FAULTS = {
    # It passes the gateway, for its packets are counted and not decoded, and fails in transcription.
    BROKEN: Expectation(accepted=True, ends="failed", damaged=True),
    # The same request twice, with one Idempotency-Key: one upload.
    DUPLICATE: Expectation(accepted=True, audio=True),
    EMPTY: Expectation(refusals=frozenset({"empty_file"})),
    # Announced as larger than any gateway takes; what is not read need not be sent.
    OVERSIZED: Expectation(refusals=frozenset({"upload_too_large"})),
    # The client hangs up half-way, so there may be nobody to answer to.
    TRUNCATED: Expectation(refusals=frozenset({"upload_interrupted"}), silence=True, audio=True),
    WRONG_TYPE: Expectation(refusals=frozenset({"unsupported_media"})),
}


def expectation(fault: str) -> Expectation:
    """Return what should become of an upload with a fault, or with none."""
    return SPEECH if fault == SOUND else FAULTS[fault]
