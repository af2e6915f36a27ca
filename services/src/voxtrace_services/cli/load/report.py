"""What a load run came to: counts, throughput, where the time went, errors, cost, and a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from voxtrace_services.cli.load.kinds import SOUND
from voxtrace_services.cli.load.ledger import COMPLETED, tallies
from voxtrace_services.cli.load.quantiles import percentiles

if TYPE_CHECKING:
    from voxtrace_services.cli.load.ledger import Entry, Ledger, Tally
    from voxtrace_services.cli.load.plan import Plan
    from voxtrace_services.cli.load.timings import Timings


@dataclass(frozen=True, kw_only=True, slots=True)
class Throughput:
    """
    How much was done, and how fast.

    Attributes:
        seconds: from the first request to the last end that was seen.
        uploads: how many completed.
        audio_seconds: how much speech they held.
        begun: how many requests were begun.
        sending: for how long they were, the pause after the last included.
    """

    seconds: float
    uploads: int
    audio_seconds: float
    begun: int
    sending: float

    @property
    def offered(self) -> float:
        """Requests begun each second, while they were."""
        return self.begun / self.sending if self.sending else 0.0

    @property
    def uploads_per_second(self) -> float:
        """Uploads completed each second."""
        return self.uploads / self.seconds if self.seconds else 0.0

    @property
    def audio_per_second(self) -> float:
        """Seconds of speech done with each second."""
        return self.audio_seconds / self.seconds if self.seconds else 0.0

    @property
    def real_time_factor(self) -> float | None:
        """Time taken for each second of speech, all uploads and services together; nothing without speech."""
        return self.seconds / self.audio_seconds if self.audio_seconds else None

    @classmethod
    def of(cls, ledger: Ledger) -> Throughput:
        """Measure a run."""
        entries = list(ledger.entries.values())
        begun = [entry.sent_at for entry in entries]
        ended = [at for entry in entries for at in (entry.ended_at, entry.answered_at) if at is not None]
        done = [entry for entry in entries if entry.state == COMPLETED]
        between = max(begun, default=0.0) - min(begun, default=0.0)
        return cls(
            seconds=max(0.0, max(ended) - min(begun)) if ended else 0.0,
            uploads=len(done),
            audio_seconds=sum(entry.audio_seconds for entry in done),
            begun=len(begun),
            sending=between * len(begun) / (len(begun) - 1) if between else 0.0,
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that is known at the end of a run."""

    plan: Plan
    ledger: Ledger
    timings: Timings
    interrupted: bool = False

    @property
    def throughput(self) -> Throughput:
        """How much was done, and how fast."""
        return Throughput.of(self.ledger)

    @property
    def surprises(self) -> Counter[tuple[str, str]]:
        """What should not have happened: how often, by kind of upload."""
        return Counter((entry.kind, entry.surprise) for entry in self._entries if entry.surprise is not None)

    @property
    def refusals(self) -> Counter[tuple[str, str]]:
        """What was refused as it should be: how often, by kind and code."""
        return Counter(
            (entry.kind, entry.code or "no answer") for entry in self._entries if entry.refused_as_expected
        )

    @property
    def failures(self) -> Counter[tuple[str, str, str]]:
        """What the pipeline gave up, as it should have or not: how often, by stage, reason and kind."""
        return Counter(
            (entry.stage or "unknown", entry.reason or "unknown", entry.kind)
            for entry in self._entries
            if entry.state == "failed"
        )

    @property
    def problems(self) -> list[str]:
        """Why the run did not go well, a sentence each; none when it did."""
        found = [f"{count} of {kind}: {surprise}" for (kind, surprise), count in self.surprises.items()]
        unfinished = sum(entry.open for entry in self._entries)
        if unfinished and not self.interrupted:
            found.append(f"{unfinished} not finished when the waiting was over")
        sound = [entry for entry in self._entries if entry.fault == SOUND and entry.answered_at is not None]
        # Every language refused would otherwise be a run as expected.
        if sound and not any(entry.accepted for entry in sound):
            found.append("no sound recording was accepted")
        if not self._entries and not self.interrupted:
            found.append("nothing was sent")
        return found

    @property
    def well(self) -> bool:
        """Whether everything went as it should."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a document."""
        throughput, timings = self.throughput, self.timings
        return {
            "verdict": "as expected" if self.well else "not as expected",
            "problems": self.problems,
            "interrupted": self.interrupted,
            "plan": {
                name: value for name, value in asdict(self.plan).items() if name not in {"clips", "broken"}
            },
            "kinds": [_kind(tally) for tally in tallies(self.ledger)],
            "throughput": {
                "seconds": throughput.seconds,
                "offered_per_second": throughput.offered,
                "uploads": throughput.uploads,
                "uploads_per_second": throughput.uploads_per_second,
                "audio_seconds": throughput.audio_seconds,
                "audio_seconds_per_second": throughput.audio_per_second,
                "real_time_factor": throughput.real_time_factor,
            },
            "stages": [asdict(timing) for timing in timings.rows()],
            "traces": {
                "asked": timings.asked,
                "whole": timings.whole,
                "incomplete": timings.incomplete,
                "missing": timings.missing,
                "silence": timings.silence,
            },
            "errors": {
                "unexpected": _counted(self.surprises, "kind", "what"),
                "refusals": _counted(self.refusals, "kind", "code"),
                "failures": _counted(self.failures, "stage", "reason", "kind"),
                "spans": _counted(timings.errors, "service", "error_type"),
            },
            "cost": {
                currency: {"amount": amount, "on_failed_attempts": failed}
                for currency, (amount, failed) in timings.cost.items()
            },
        }

    @property
    def _entries(self) -> list[Entry]:
        return list(self.ledger.entries.values())


def _kind(tally: Tally) -> dict[str, Any]:
    p50, p95, p99 = percentiles(tally.request_seconds)
    counts = {name: value for name, value in asdict(tally).items() if name != "request_seconds"}
    return {**counts, "request": {"p50": p50, "p95": p95, "p99": p99}}


def _counted(counter: Counter[Any], *names: str) -> list[dict[str, Any]]:
    return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in sorted(counter.items())]
