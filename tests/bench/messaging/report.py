"""What is printed: the added cost of each variant, its ratio to upstream beside the bar, and how it grows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from comparison import BARS, Round, Spread, cost, growth, ratio
from variants import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH = 2000
"""Messages over all rounds, below which chance decides whether a bar is held."""
GROWING = (Variant.UPSTREAM, Variant.TRACING, Variant.ALL_SIGNALS)


@dataclass(frozen=True, kw_only=True)
class Report:
    """
    The rounds of one run.

    Attributes:
        messages: how many a round sends.
        plain: the rounds on one thread with one consumer.
        grown: the same on many threads, and with many consumers on a channel, by what grew.
    """

    messages: int
    plain: list[Round]
    grown: dict[str, list[Round]]

    @property
    def within(self) -> bool:
        """True where every variant of ours stays below its bar."""
        return all(ratio(self.plain, variant).median <= bar for variant, bar in BARS.items())

    def document(self) -> dict[str, Any]:
        """All figures, for a program to read."""
        return {
            "messages": self.messages,
            "rounds": len(self.plain),
            "untraced_us": asdict(Spread.of(one[Variant.NONE] for one in self.plain)),
            "added_us": {
                variant: asdict(cost(self.plain, variant)) for variant in Variant if variant != "none"
            },
            "ratio": {variant: asdict(ratio(self.plain, variant)) for variant in BARS},
            "unsampled_to_unsampled": asdict(self._like_for_like()),
            "bars": BARS,
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
        yield f"Unsampled beside upstream unsampled: {self._like_for_like().text(2)}"
        for what, rounds in self.grown.items():
            yield ""
            yield f"With {what}, the added cost grows by this factor:"
            for variant in GROWING:
                yield f"{variant:<20}{growth(self.plain, rounds, variant).text(2)}"

    def _row(self, variant: Variant) -> str:
        share = ratio(self.plain, variant)
        bar = BARS.get(variant)
        verdict = "" if bar is None else f"{bar} {self._judged(share.median, bar)}"
        return f"{variant:<20}{cost(self.plain, variant).text(0):<22}{share.text(2):<26}{verdict}"

    def _judged(self, share: float, bar: float) -> str:
        if len(self.plain) * self.messages < ENOUGH:
            return "too few to judge"
        return "held" if share <= bar else "MISSED"

    def _like_for_like(self) -> Spread:
        return ratio(self.plain, Variant.UNSAMPLED, Variant.UPSTREAM_UNSAMPLED)
