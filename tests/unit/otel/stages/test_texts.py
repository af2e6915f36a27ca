"""The counting rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxtrace.stages.texts import character_range, count_words, spoken, word_range


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(happy) Hello there", "Hello there"),
        ("Hello [whispers] there", "Hello there"),
        ("Hello (very (very) sad [sigh]) there", "Hello there"),
        ("Hello(softly)there", "Hello there"),
        ("Hello (there", "Hello (there"),
        ("Hello) there]", "Hello) there]"),
        ("(happy)", ""),
        ("  two \n words ", "two words"),
        ("", ""),
    ],
)
def test_stage_directions_are_not_spoken(text: str, said: str) -> None:
    """What stands in round or square brackets is taken out, nested or not; a lone bracket is text."""
    assert spoken(text) == said


@given(st.text(alphabet="ab ()[]", max_size=60))
def test_what_is_spoken_is_spoken_as_it_is(text: str) -> None:
    """Taking the directions out twice changes nothing more, and adds no words."""
    assert spoken(spoken(text)) == spoken(text)
    assert len(spoken(text)) <= len(text)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (0, "0"), (1, "1-10"), (10, "1-10"), (11, "11-25"), (25, "11-25"), (26, "26-50"), (50, "26-50"),
        (51, "51-100"), (100, "51-100"), (101, "101-200"), (200, "101-200"), (201, "200+"), (9999, "200+"),
    ],
)  # fmt: skip
def test_word_ranges(words: int, name: str) -> None:
    """Each range holds both its ends."""
    assert word_range(words) == name


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        (0, "0"), (1, "1-50"), (50, "1-50"), (51, "51-100"), (250, "101-250"), (251, "251-500"),
        (1000, "501-1000"), (1001, "1000+"),
    ],
)  # fmt: skip
def test_character_ranges(characters: int, name: str) -> None:
    """Each range holds both its ends."""
    assert character_range(characters) == name


def test_punctuation_is_no_word() -> None:
    """A word holds a letter or a digit."""
    assert count_words("well - 2 dogs … ran!") == 4
