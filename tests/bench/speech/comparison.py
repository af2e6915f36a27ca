"""What the rounds say: the instrumented time beside the plain one of the same round, and the bar."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memory import Memory

BAR = 1.01
"""By which factor a transcription may last longer."""
ENOUGH = 10
"""Rounds, below which chance decides whether the bar is held."""
PRECISION = 0.01
"""The median's own error above which it does so all the same: somebody else is busy on the machine."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """What one transcription took, in seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Round:
    """As many transcriptions of each kind, in seconds of each other."""

    plain: list[Times]
    instrumented: list[Times]

    @property
    def ratio(self) -> float:
        """Wall time, instrumented by plain."""
        return sum(one.wall for one in self.instrumented) / sum(one.wall for one in self.plain)

    @property
    def cpu_ratio(self) -> float:
        """CPU time, instrumented by plain."""
        return sum(one.cpu for one in self.instrumented) / sum(one.cpu for one in self.plain)


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


@dataclass(frozen=True, kw_only=True)
class Report:
    """
    One run.

    Attributes:
        audio: length of the recording, in seconds.
        rounds: the wall times.
        spans: how many one transcription has.
        memory: what instrumenting adds, of several processes.
    """

    audio: float
    rounds: list[Round]
    spans: int
    memory: list[Memory]

    @property
    def ratio(self) -> Spread:
        """Wall time instrumented by plain, paired."""
        return Spread.of(one.ratio for one in self.rounds)

    @property
    def cpu_ratio(self) -> Spread:
        """CPU time instrumented by plain, paired."""
        return Spread.of(one.cpu_ratio for one in self.rounds)

    @property
    def best_ratio(self) -> float:
        """The fastest instrumented by the fastest plain one: others on the machine never hurry it."""
        return min(times.wall for one in self.rounds for times in one.instrumented) / min(
            times.wall for one in self.rounds for times in one.plain
        )

    @property
    def error(self) -> float:
        """The standard error of the ratio's median, as if rounds differed by chance alone."""
        return 0.93 * (self.ratio.high - self.ratio.low) / math.sqrt(len(self.rounds))

    @property
    def judged(self) -> bool:
        """True where there are rounds enough that say the same."""
        return len(self.rounds) >= ENOUGH and self.error <= PRECISION

    @property
    def within(self) -> bool:
        """False where the bar is missed, by rounds that can say so."""
        return not self.judged or self.ratio.median <= BAR

    @property
    def spans_per_minute(self) -> float:
        """How many spans a minute of audio has."""
        return self.spans * 60 / self.audio

    def document(self) -> dict[str, Any]:
        """All figures, for a program to read."""
        return {
            "audio_s": self.audio,
            "rounds": len(self.rounds),
            "plain_s": asdict(self._plain),
            "ratio": asdict(self.ratio),
            "ratio_error": self.error,
            "cpu_ratio": asdict(self.cpu_ratio),
            "best_ratio": self.best_ratio,
            "bar": BAR,
            "judged": self.judged,
            "within": self.within,
            "spans_per_minute": self.spans_per_minute,
            "memory_mib": {
                "resident": asdict(Spread.of(one.resident for one in self.memory)),
                "allocated": asdict(Spread.of(one.allocated for one in self.memory)),
            },
        }

    def lines(self) -> Iterator[str]:
        """All figures, for a person to read."""
        resident = Spread.of(one.resident for one in self.memory)
        allocated = Spread.of(one.allocated for one in self.memory)
        yield f"faster-whisper tiny.en on {self.audio:.0f} s of recorded speech; no export."
        yield f"{len(self.rounds)} rounds of two transcriptions each: medians, and the middle half of them."
        yield f"A transcription that nobody traces takes {self._plain.text(2)} s."
        yield ""
        yield f"{'instrumented / plain':<28}{self.ratio.text(4):<28}bar {BAR} {self._verdict}"
        yield f"{'the same of CPU time':<28}{self.cpu_ratio.text(4)}"
        yield f"{'the fastest of each':<28}{self.best_ratio:.4f}"
        yield f"{'spans per minute of audio':<28}{self.spans_per_minute:.1f}"
        yield f"{'memory added, MiB':<28}{resident.text(1)} resident, {allocated.text(1)} allocated by Python"

    @property
    def _plain(self) -> Spread:
        return Spread.of(times.wall for one in self.rounds for times in one.plain)

    @property
    def _verdict(self) -> str:
        if len(self.rounds) < ENOUGH:
            return "too few rounds to judge"
        if not self.judged:
            return (
                f"cannot be judged: the median is {self.error:.3f} uncertain, others are busy on the machine"
            )
        return "held" if self.within else "MISSED"
