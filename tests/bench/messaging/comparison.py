"""What the rounds say: the cost that each variant adds, beside upstream's of the same round."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from variants import Variant

if TYPE_CHECKING:
    from collections.abc import Iterable

Round = dict[Variant, float]
"""The CPU time in µs per message of each variant, all measured within seconds of each other."""

BARS = {Variant.TRACING: 0.6, Variant.ALL_SIGNALS: 1.0, Variant.UNSAMPLED: 0.3}
"""How much of what upstream adds each variant of ours may add."""

REFERENCES = {
    Variant.TRACING: Variant.UPSTREAM,
    Variant.ALL_SIGNALS: Variant.UPSTREAM,
    Variant.UNSAMPLED: Variant.UPSTREAM_UNSAMPLED,
    Variant.FLOOR_UNSAMPLED: Variant.UPSTREAM_UNSAMPLED,
}
"""Which upstream a bar speaks of: the one that does the like, so unsampled beside unsampled."""

FLAT = 1.25
"""
By which factor an added cost may grow from one thread or consumer to many and still count as flat.

Growth is the median over rounds of a ratio of two differences, and a run prints beside it how much the same
load differs from one round to the next. For the variant that adds least the middle half of those lies within
0.3 of 1, so the standard error of a median of 45 rounds is 0.08, and this is three of them. Linear growth
would be 16 and 50.
"""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median over rounds, and the middle half of them: the machine is seldom ours alone."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of at least one value."""
        found = list(values)
        if len(found) == 1:
            return cls(low=found[0], median=found[0], high=found[0])
        low, median, high = statistics.quantiles(found, n=4, method="inclusive")
        return cls(low=low, median=median, high=high)

    def text(self, digits: int) -> str:
        """As `median (low to high)`."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def added(one: Round, variant: Variant) -> float:
    """What `variant` adds to a message that nobody traces, in µs."""
    return one[variant] - one[Variant.NONE]


def cost(rounds: list[Round], variant: Variant) -> Spread:
    """What `variant` adds per message."""
    return Spread.of(added(one, variant) for one in rounds)


def ratio(rounds: list[Round], variant: Variant, reference: Variant = Variant.UPSTREAM) -> Spread:
    """What `variant` adds, as a share of what `reference` adds in the same round."""
    return Spread.of(added(one, variant) / added(one, reference) for one in rounds)


def noise(rounds: list[Round], variant: Variant) -> Spread:
    """By which factor the cost that `variant` adds differs from one round to the next of the same load."""
    pairs = zip(rounds, rounds[1:] or rounds, strict=False)
    return Spread.of(added(b, variant) / added(a, variant) for a, b in pairs)


def growth(one: list[Round], many: list[Round], variant: Variant) -> Spread:
    """By which factor the cost that `variant` adds grows from one thread or consumer to many."""
    return Spread.of(added(b, variant) / added(a, variant) for a, b in zip(one, many, strict=True))
