"""
Baggage as text, both ways, within a budget.

It is what the API's propagator reads and writes (a property test compares them), but it asks which keys may
pass, and quotes nothing of what strangers send in warnings.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import quote_plus, unquote_plus

from opentelemetry import baggage
from opentelemetry.context import Context

Allowed = Callable[[str], bool]
"""Whether the baggage under a key may pass."""

_MAX_MEMBERS: Final = 180
_MAX_MEMBER_BYTES: Final = 4096

# Possessive, as no stranger's run of blanks may cost quadratic time.
_KEY: Final = r"[\x21\x23-\x27\x2a\x2b\x2d\x2e\x30-\x39\x41-\x5a\x5e-\x7a\x7c\x7e]++"
_VALUE: Final = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*+"
_BLANKS: Final = r"[ \t]*+"
_PROPERTY: Final = rf"{_BLANKS}{_KEY}{_BLANKS}(?:={_BLANKS}{_VALUE}{_BLANKS})?"
_MEMBER: Final = re.compile(rf"({_KEY}){_BLANKS}={_BLANKS}({_VALUE}{_BLANKS}(?:;{_PROPERTY})*)")


def read(text: str, context: Context, allowed: Allowed | None = None) -> tuple[Context, bool]:
    """`context` with the baggage in `text`, and whether all of it could be read."""
    complete, count = True, 0
    for piece in text.split(","):
        member = piece.strip(" \t")
        if not member:
            continue
        if not member.isascii() or len(member) > _MAX_MEMBER_BYTES:
            complete = False
            continue
        count += 1
        if count > _MAX_MEMBERS:
            return context, False
        match = _MEMBER.fullmatch(member)
        if match is None:
            complete = False
            continue
        key = unquote_plus(match[1]).strip()
        if allowed is None or allowed(key):
            context = baggage.set_baggage(key, unquote_plus(match[2]).strip(), context)
    return context, complete


def write(entries: Mapping[str, object], budget: int, allowed: Allowed | None = None) -> tuple[str, bool]:
    """The `entries` as text of at most `budget` bytes, and whether nothing that may pass was left out."""
    members: list[str] = []
    complete, length = True, -1
    for member in _encoded(entries, allowed):
        if len(member) > _MAX_MEMBER_BYTES:
            complete = False
            continue
        length += 1 + len(member)
        if length > budget or len(members) == _MAX_MEMBERS:
            return ",".join(members), False
        members.append(member)
    return ",".join(members), complete


def _encoded(entries: Mapping[str, object], allowed: Allowed | None) -> Iterator[str]:
    for key, value in entries.items():
        if allowed is None or allowed(str(key)):
            yield f"{quote_plus(str(key))}={quote_plus(str(value))}"
