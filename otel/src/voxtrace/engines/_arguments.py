"""A command line of a program, taken apart as getopt does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(slots=True)
class Arguments:
    """Options by their letter or long name (a flag has the value ""), and the other words."""

    options: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def parse(argv: list[str], *, valued: str, valued_long: Collection[str] = ()) -> Arguments:
    """
    Take a command line apart; `valued` holds the letters that take a value.

    Python's `getopt` refuses long options with an optional value, which eSpeak has.
    """
    found = Arguments()
    rest = iter(argv[1:])
    for word in rest:
        if word == "--":
            found.words.extend(rest)
        elif word.startswith("--"):
            name, separator, value = word[2:].partition("=")
            found.options[name] = next(rest, "") if not separator and name in valued_long else value
        elif word.startswith("-") and len(word) > 1:
            for index, letter in enumerate(word[1:], start=2):
                if letter in valued:
                    found.options[letter] = word[index:] or next(rest, "")
                    break
                found.options[letter] = ""
        else:
            found.words.append(word)
    return found
