"""Sizes of a text; the text itself goes nowhere."""

from __future__ import annotations


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
