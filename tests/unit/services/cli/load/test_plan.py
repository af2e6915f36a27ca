"""What is sent is what was asked for: counts, shares, mixes."""

from __future__ import annotations

from collections import Counter

import pytest

from unit.services.cli.load.conftest import plan_of
from voxtrace_services.cli.load.plan import Plan, shares


def test_shares_are_kept() -> None:
    """Of twelve uploads with a sixth broken, two are, and not at the end."""
    orders = list(plan_of(faults={"broken": 1 / 6}).orders())

    assert [order.number for order in orders] == list(range(12))
    assert Counter(order.fault for order in orders) == {"sound": 10, "broken": 2}
    assert sorted(Counter(order.fault for order in orders[:6]).items()) == [("broken", 1), ("sound", 5)]


def test_languages_and_sizes_are_mixed_within_the_sound() -> None:
    """Each language has its share of the sound speech, and each size its share of each language."""
    plan = plan_of(
        uploads=20,
        languages={"es": 0.75, "fr": 0.25},
        sizes={"short": 0.5, "long": 0.5},
        faults={"empty": 0.2},
    )
    found = Counter((order.kind, order.clip.size if order.clip else None) for order in plan.orders())

    assert found == {
        ("sound es", "short"): 6,
        ("sound es", "long"): 6,
        ("sound fr", "short"): 2,
        ("sound fr", "long"): 2,
        ("empty", None): 4,
    }


def test_the_faulty_ask_for_the_first_language() -> None:
    """A fault is the only reason to refuse an upload that has one."""
    plan = plan_of(languages={"es": 0.5, "tlh": 0.5}, faults={"wrong-type": 0.5})

    assert {order.language for order in plan.orders() if order.fault == "wrong-type"} == {"es"}


def test_clips_take_turns() -> None:
    """The clips of a size are sent one after the other, the damaged ones as broken."""
    plan = plan_of(uploads=4, faults={"broken": 0.25})

    sent = [(order.fault, order.clip.path) for order in plan.orders() if order.clip]
    assert sorted(sent) == [
        ("broken", "broken.m4a"),
        ("sound", "a.wav"),
        ("sound", "a.wav"),
        ("sound", "b.mp3"),
    ]


@pytest.mark.parametrize("fault", ["truncated", "duplicate"])
def test_what_is_cut_off_or_repeated_is_speech(fault: str) -> None:
    """An upload that breaks off, and one that is sent twice, hold sound speech."""
    assert [order.clip.path for order in plan_of(uploads=2, faults={fault: 1.0}).orders() if order.clip] == [
        "a.wav",
        "b.mp3",
    ]


def test_a_plan_can_be_told_to_another_process() -> None:
    """A plan that was written on a line and read again sends the same."""
    plan = plan_of(faults={"broken": 0.25})
    text = plan.to_json()

    assert "\n" not in text
    assert list(Plan.from_json(text).orders()) == list(plan.orders())


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [
        ("es", True, {"es": 1.0}),
        ("es=3, fr", True, {"es": 0.75, "fr": 0.25}),
        ("short=2,long=0", True, {"short": 1.0}),
        ("broken=0.05,empty=0.01", False, {"broken": 0.05, "empty": 0.01}),
        ("", False, {}),
    ],
)
def test_shares(text: str, whole: bool, expected: dict[str, float]) -> None:
    """Parts become shares of a whole; shares stay what they are."""
    assert shares(text, whole=whole) == expected


@pytest.mark.parametrize(
    ("text", "whole", "message"),
    [
        ("broken", False, "has no share; write broken=0.05"),
        ("broken=some", False, "'some' is no number"),
        ("broken=-1", False, "cannot be a share"),
        ("broken=nan", False, "cannot be a share"),
        ("es,es", True, "name each once"),
        ("broken=0.6,empty=0.6", False, "add up to 1.2"),
        ("", True, "names nothing"),
        ("es=0", True, "names nothing"),
    ],
)
def test_shares_that_cannot_be(text: str, whole: bool, message: str) -> None:
    """What cannot be read as shares is said."""
    with pytest.raises(ValueError, match=message):
        shares(text, whole=whole)
