"""What an expression of PromQL reads: which series, and which of their labels it asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
# What follows these in parentheses are labels, and no series.
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_SERIES = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)\s*(?P<selector>\{[^}]*\})?(?P<call>\s*\()?")
_WORDS = {"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "group_left", "group_right"}


def selected(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each series that is read, with the labels of its selector."""
    bare = _RANGE.sub(" ", _GROUPING.sub(" ", _STRING.sub('""', expression)))
    for found in _SERIES.finditer(bare):
        if found["call"] or found["name"] in _WORDS:
            continue
        # A number's exponent, as in 8e9.
        if bare[: found.start()][-1:].isdigit():
            continue
        yield found["name"], set(re.findall(r"(\w+)\s*(?:=|!)", found["selector"] or ""))
