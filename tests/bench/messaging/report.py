"""What is printed: the added cost of each variant, its ratio to upstream beside the bar, and how it grows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from attribution import PARTS
from comparison import BARS, FLAT, REFERENCES, Round, Spread, cost, growth, noise, ratio
from variants import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH = 2000
"""Messages over all rounds, below which chance decides whether a bar is held."""
OURS = tuple(BARS)
GROWING = (Variant.UPSTREAM, Variant.UPSTREAM_UNSAMPLED, *OURS)
PROFILED = (Variant.NONE, *GROWING)
LARGEST = 12
"""Modules of ours that are named."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """
    The rounds of one run.

    Attributes:
        messages: how many a round sends.
        plain: the rounds on one thread with one consumer.
        grown: the same on many threads, and with many consumers on a channel, by what grew.
        shares: whose code a variant's time goes into, if that was asked for.
    """

    messages: int
    plain: list[Round]
    grown: dict[str, list[Round]]
    shares: dict[Variant, dict[str, float]]

    @property
    def within(self) -> bool:
        """True where every variant of ours stays below its bar, and its cost flat."""
        return all(self._judged_ratio(variant).median <= BARS[variant] for variant in OURS) and all(
            growth(self.plain, rounds, variant).median <= FLAT
            for rounds in self.grown.values()
            for variant in OURS
        )

    def document(self) -> dict[str, Any]:
        """All figures, for a program to read."""
        return {
            "messages": self.messages,
            "rounds": len(self.plain),
            "untraced_us": asdict(Spread.of(one[Variant.NONE] for one in self.plain)),
            "added_us": {
                variant: asdict(cost(self.plain, variant)) for variant in Variant if variant != "none"
            },
            "ratio": {variant: asdict(self._judged_ratio(variant)) for variant in OURS},
            "of": REFERENCES,
            "unsampled_to_sampled": asdict(ratio(self.plain, Variant.UNSAMPLED)),
            "bars": BARS,
            "flat": FLAT,
            "noise": {variant: asdict(noise(self.plain, variant)) for variant in GROWING},
            "shares": self.shares,
            "within": self.within,
            "growth": {
                what: {variant: asdict(growth(self.plain, rounds, variant)) for variant in GROWING}
                for what, rounds in self.grown.items()
            },
        }

    def lines(self) -> Iterator[str]:
        """All figures, for a person to read."""
        untraced = Spread.of(one[Variant.NONE] for one in self.plain)
        yield "CPU per message: publish, consume and ack by BlockingConnection on a real RabbitMQ; no export."
        yield f"{len(self.plain)} rounds of {self.messages} messages: medians, and the middle half of them."
        yield f"A message that nobody traces takes {untraced.text(0)} µs."
        yield ""
        yield f"{'':<20}{'added µs':<22}{'of what upstream adds':<26}bar"
        for variant in Variant:
            if variant is not Variant.NONE:
                yield self._row(variant).rstrip()
        yield ""
        yield "Judged is like beside like: unsampled is of upstream unsampled. Of upstream sampled it is"
        yield f"{ratio(self.plain, Variant.UNSAMPLED).text(2)}, which is not judged."
        for what, rounds in self.grown.items():
            yield ""
            yield f"With {what}, the added cost grows by this factor; up to {FLAT} is flat:"
            for variant in GROWING:
                grown = growth(self.plain, rounds, variant)
                verdict = self._judged(grown.median, FLAT) if variant in OURS else ""
                yield f"{variant:<20}{grown.text(2):<26}{verdict}".rstrip()
        yield ""
        yield "The same load differs from round to round by:"
        for variant in GROWING:
            yield f"{variant:<20}{noise(self.plain, variant).text(2)}"
        if self.shares:
            yield ""
            yield from self._profile()

    def _profile(self) -> Iterator[str]:
        """Where the time goes: the measured time of each variant, split as cProfile splits it."""
        yield "Whose code a message's CPU time goes into, in µs: as measured, split as cProfile splits it."
        yield f"{'':<16}" + "".join(f"{variant:>20}" for variant in self.shares)
        split = {variant: self._split(variant) for variant in self.shares}
        for part in PARTS:
            yield self._line(part, [_sum(found, f"{part}/") for found in split.values()])
        yield ""
        yield "Of that, the largest modules of ours:"
        ours = {name for found in split.values() for name in found if name.startswith("voxtrace/")}
        for name in sorted(ours, key=lambda name: -split[Variant.ALL_SIGNALS].get(name, 0.0))[:LARGEST]:
            yield self._line(name.partition("/")[2], [found.get(name, 0.0) for found in split.values()])

    def _split(self, variant: Variant) -> dict[str, float]:
        measured = Spread.of(one[variant] for one in self.plain).median
        return {name: share * measured for name, share in self.shares[variant].items()}

    @staticmethod
    def _line(name: str, times: list[float]) -> str:
        return f"{name:<16}" + "".join(f"{us:>20.1f}" for us in times)

    def _row(self, variant: Variant) -> str:
        share = self._judged_ratio(variant)
        bar = BARS.get(variant)
        verdict = "" if bar is None else f"{bar} {self._judged(share.median, bar)}"
        return f"{variant:<20}{cost(self.plain, variant).text(0):<22}{share.text(2):<26}{verdict}"

    def _judged(self, share: float, bar: float) -> str:
        if len(self.plain) * self.messages < ENOUGH:
            return "too few to judge"
        return "held" if share <= bar else "MISSED"

    def _judged_ratio(self, variant: Variant) -> Spread:
        return ratio(self.plain, variant, REFERENCES.get(variant, Variant.UPSTREAM))


def _sum(found: dict[str, float], start: str) -> float:
    return sum(us for name, us in found.items() if name.startswith(start))
