"""Sizes of a text; the text itself goes nowhere."""

from __future__ import annotations

import re
from typing import Final

#: How a text that is spoken tells the speaker what to do: "(happy)", "[whispers]".
_DIRECTION: Final = re.compile(r"\([^()\[\]]*\)|\[[^()\[\]]*\]")
_WORD_RANGES: Final = (10, 25, 50, 100, 200)
_CHARACTER_RANGES: Final = (50, 100, 250, 500, 1000)


def decoded(data: object) -> str | None:
    """Return what went through a pipe as text, or None when nothing known did."""
    if isinstance(data, str):
        return data
    return (
        bytes(data).decode("utf-8", "replace") if isinstance(data, bytes | bytearray | memoryview) else None
    )


def count_words(text: str) -> int:
    """Count the words between white space that hold a letter or a digit."""
    return sum(any(map(str.isalnum, word)) for word in text.split())


def spoken(text: str) -> str:
    """
    Return what is spoken of a text: without stage directions such as "(happy)" or "[whispers]".

    Nested ones go as a whole, an unclosed bracket is text, and of white space one blank is left.
    """
    while (without := _DIRECTION.sub(" ", text)) != text:
        text = without
    return " ".join(text.split())


def word_range(words: int) -> str:
    """Return the range of a number of words: 1-10, 11-25, 26-50, 51-100, 101-200 or 200+; 0 is 0."""
    return _range(words, _WORD_RANGES)


def character_range(characters: int) -> str:
    """Return the range of a number of characters: 1-50, 51-100, 101-250, 251-500, 501-1000 or 1000+."""
    return _range(characters, _CHARACTER_RANGES)


def _range(number: int, tops: tuple[int, ...]) -> str:
    if number < 1:
        return "0"
    bottom = 1
    for top in tops:
        if number <= top:
            return f"{bottom}-{top}"
        bottom = top + 1
    return f"{tops[-1]}+"
