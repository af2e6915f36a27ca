"""A verdict: one number against one threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    One judgement.

    Attributes:
        name: What was looked for; the flag that a failed one raises.
        score: The number that was judged, in the unit of its threshold.
        label: Whether it passed.
        explanation: Of a failed one, what it failed by; never what was said.
    """

    name: str
    score: float
    label: Literal["pass", "fail"]
    explanation: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it raises its flag."""
        return self.label == "fail"


def at_most(name: str, score: float, limit: float) -> Verdict:
    """Pass a score up to the limit; NaN is none."""
    return judged(name, score, None if score <= limit else f"{score:.4g} > {limit:g}")


def at_least(name: str, score: float, limit: float) -> Verdict:
    """Pass a score from the limit on; NaN is none."""
    return judged(name, score, None if score >= limit else f"{score:.4g} < {limit:g}")


def within(name: str, score: float, least: float, most: float) -> Verdict:
    """Pass a score between two limits, both included."""
    return at_least(name, score, least) if score < least else at_most(name, score, most)


def judged(name: str, score: float, fault: str | None) -> Verdict:
    """Pass what has no fault."""
    return Verdict(name, score, "pass" if fault is None else "fail", fault)
