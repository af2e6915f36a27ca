"""What was sent and what became of it, order by order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from voxtrace_services.cli.load.kinds import ACCEPTED, expectation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from voxtrace_services.cli.gateway import Upload

#: How an upload can end; until then it is in flight.
COMPLETED, FAILED = "completed", "failed"


@dataclass(kw_only=True, slots=True)
class Entry:
    """One order: begun, perhaps answered, perhaps accepted, perhaps ended. Times are seconds of the clock."""

    number: int
    kind: str
    fault: str
    size: str | None
    audio_seconds: float
    sent_at: float
    answered_at: float | None = None
    request_seconds: float = 0.0
    status: int | None = None
    code: str | None = None
    ids: tuple[str, ...] = ()
    trace_id: str | None = None
    state: str | None = None
    ended_at: float | None = None
    stage: str | None = None
    reason: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the gateway has taken it."""
        return self.status == ACCEPTED and bool(self.ids)

    @property
    def upload_id(self) -> str | None:
        """The upload that it became."""
        return self.ids[0] if self.ids else None

    @property
    def open(self) -> bool:
        """Whether more is to come of it."""
        return self.answered_at is None or (self.accepted and self.state is None)

    @property
    def refused_as_expected(self) -> bool:
        """Whether it was refused, and for the reason that it should be."""
        if self.answered_at is None or self.status == ACCEPTED:
            return False
        expected = expectation(self.fault)
        return expected.silence if self.status is None else self.code in expected.refusals

    @property
    def surprise(self) -> str | None:
        """What happened to it that should not have, if anything did; what is not known yet is none."""
        if self.answered_at is None or self.refused_as_expected:
            return None
        if not self.accepted:
            answer = "no answer" if self.status is None else f"HTTP {self.status}"
            return f"{answer} ({self.code})" if self.code else answer
        expected = expectation(self.fault)
        if len(self.ids) > 1:
            return "became two uploads"
        if not expected.accepted:
            return "was accepted"
        if self.state is not None and self.state != expected.ends:
            return f"{self.state} in {self.stage} ({self.reason})" if self.stage else self.state
        return None


@dataclass(kw_only=True)
class Ledger:
    """Every order so far."""

    entries: dict[int, Entry] = field(default_factory=dict)
    _by_upload: dict[str, Entry] = field(default_factory=dict)

    def read(self, line: Mapping[str, Any]) -> None:
        """Take down what the sending process says."""
        if line["event"] == "sent":
            clip = line["clip"] or {"size": None, "seconds": 0.0}
            self.entries[line["number"]] = Entry(
                number=line["number"],
                kind=line["kind"],
                fault=line["fault"],
                size=clip["size"],
                audio_seconds=clip["seconds"],
                sent_at=line["at"],
            )
            return
        entry = self.entries[line["number"]]
        entry.answered_at, entry.request_seconds = line["at"], line["seconds"]
        entry.status, entry.code = line["status"], line["code"]
        entry.ids, entry.trace_id = tuple(line["ids"]), line["trace_id"]
        if entry.accepted:
            self._by_upload[entry.ids[0]] = entry

    def end(self, upload: Upload, *, at: float) -> None:
        """Take down how an upload ended; one that is not of this run, or goes on, is none of ours."""
        entry = self._by_upload.get(upload.upload_id)
        if entry is not None and upload.finished and entry.state is None:
            entry.state, entry.ended_at = upload.state, at
            failure = upload.failure or {}
            entry.stage, entry.reason = failure.get("stage"), failure.get("reason")

    def unfinished(self) -> list[str]:
        """Return the uploads that have not ended, the oldest first."""
        return [upload_id for upload_id, entry in self._by_upload.items() if entry.state is None]

    @property
    def accepted(self) -> list[Entry]:
        """The orders that became uploads."""
        return list(self._by_upload.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many orders of a kind there are, and how far they have come."""

    kind: str
    sent: int
    accepted: int
    refused: int
    completed: int
    failed: int
    in_flight: int
    unexpected: int
    request_seconds: tuple[float, ...]


def tally(kind: str, entries: Iterable[Entry]) -> Tally:
    """Count entries."""
    entries = list(entries)
    states = Counter(entry.state for entry in entries)
    return Tally(
        kind=kind,
        sent=len(entries),
        accepted=sum(entry.accepted for entry in entries),
        refused=sum(entry.refused_as_expected for entry in entries),
        completed=states[COMPLETED],
        failed=states[FAILED],
        in_flight=sum(entry.open for entry in entries),
        unexpected=sum(entry.surprise is not None for entry in entries),
        request_seconds=tuple(entry.request_seconds for entry in entries if entry.answered_at is not None),
    )


def tallies(ledger: Ledger) -> list[Tally]:
    """Count each kind, in order of its first, and all together last."""
    # A copy: another thread may be drawing.
    entries = list(ledger.entries.values())
    kinds = dict.fromkeys(entry.kind for entry in entries)
    counted = [tally(kind, (entry for entry in entries if entry.kind == kind)) for kind in kinds]
    return [*counted, tally("all", entries)]
