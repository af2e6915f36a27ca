"""The list of the faults that are on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.faults import CATALOGUE, Board, UnknownFaultError, Wish
from voxtrace_services.core.faults.board import DOCUMENT


def _on(board: Board) -> list[tuple[str, str | None]]:
    return [(fault.name, fault.service) for fault in board.read()]


def test_nothing_is_on_at_first(board: Board) -> None:
    """Without a document no fault is on."""
    assert board.read() == ()


def test_what_is_switched_on_is_read_by_others(board: Board, store: ArtifactStore) -> None:
    """Another process with the same store reads the fault with its numbers."""
    fault = board.switch_on("slow-engine", Wish(service="asr", seconds=7.5, share=0.25))
    assert Board(store).read() == (fault,)
    assert (fault.seconds, fault.share) == (7.5, 0.25)


def test_switched_on_again_it_has_the_new_numbers(board: Board) -> None:
    """The same fault of the same service is on once, as it was said last."""
    board.switch_on("slow-engine", Wish(service="asr", seconds=1))
    board.switch_on("slow-engine", Wish(service="asr", seconds=2))
    assert [fault.seconds for fault in board.read()] == [2]


def test_two_services_have_the_same_fault_apart(board: Board) -> None:
    """One is switched off by name and service, the other stays."""
    board.switch_on("slow-engine", Wish(service="asr"))
    board.switch_on("slow-engine", Wish(service="synthesis"))
    board.switch_off("slow-engine", "asr")
    assert _on(board) == [("slow-engine", "synthesis")]


def test_off_ends_a_fault_wherever_it_is(board: Board) -> None:
    """Switched off by name alone, it is on nowhere; without a name nothing is on."""
    for name in ("slow-engine", "busy-cpu", "full-disk"):
        board.switch_on(name, Wish())
    board.switch_off("busy-cpu")
    assert _on(board) == [("slow-engine", None), ("full-disk", None)]
    board.switch_off()
    assert _on(board) == []


def test_a_forgotten_fault_ends_by_itself(board: Board) -> None:
    """A fault whose time is up is not on."""
    fault = board.switch_on("busy-cpu", Wish(minutes=1e-6))
    assert fault.over
    assert board.read() == ()


def test_what_cannot_befall_a_service_is_refused(board: Board) -> None:
    """The error names the services that it can befall."""
    with pytest.raises(UnknownFaultError, match="broken-audio can befall asr, and not gateway"):
        board.switch_on("broken-audio", Wish(service="gateway"))


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"name": "of-another-version"}]'])
def test_an_unreadable_list_is_empty(board: Board, store: ArtifactStore, content: bytes) -> None:
    """A document that is none of ours switches nothing on, and the next fault mends it."""
    store.write(DOCUMENT, content)
    assert board.read() == ()
    board.switch_on("busy-cpu", Wish())
    assert _on(board) == [("busy-cpu", None)]


def test_a_report_says_the_numbers_that_matter(board: Board) -> None:
    """What a fault does not heed is not told of it."""
    told = board.switch_on("full-disk", Wish(service="asr", seconds=9)).told()
    assert {*told} == {"name", "service", "share", "until"}


def test_the_page_has_every_fault() -> None:
    """docs/faults.md has a row for each fault, and none for another."""
    page = (Path(__file__).resolve().parents[5] / "docs/faults.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == list(CATALOGUE)


def test_each_number_is_heeded_by_some_fault() -> None:
    """The catalogue speaks of no number that cannot be wished for, and forgets none."""
    heeded = {number for kind in CATALOGUE.values() for number in kind.heeds}
    assert heeded == set(Wish.model_fields) - {"service", "minutes"}
