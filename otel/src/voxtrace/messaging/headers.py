"""What may be read of a message's headers, which come from strangers and may hold any AMQP type."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

MAX_HEADER_BYTES: Final = 8192
"""The W3C limit for baggage, and what all propagated headers of a message may have together."""

NONE: Final[Mapping[Any, Any]] = MappingProxyType({})

# Tables are dictionaries wherever pika made them: the first is found at once.
TABLES: Final = (dict, Mapping)

Refused = Callable[[str, str], None]
"""Takes the name of a header that is not believed, and the reason: `type`, `size` or `syntax`."""


def headers_of(properties: Any) -> Mapping[Any, Any]:
    """The headers of a message; `NONE` where it has no table of them."""
    headers = getattr(properties, "headers", None)
    return headers if isinstance(headers, TABLES) else NONE


def header_int(headers: Mapping[Any, Any], name: str) -> int | None:
    """The header `name` if it is an integer."""
    value = headers.get(name)
    # bool is an int to Python but a type of its own to AMQP.
    return value if isinstance(value, int) and value is not True and value is not False else None


def bounded_text(headers: Mapping[Any, Any], name: str, left: int, refused: Refused | None) -> str | None:
    """The header `name` if it is text of at most `left` bytes."""
    value = headers.get(name)
    if value is None:
        return None
    if not isinstance(value, str | bytes):
        refuse(refused, name, "type")
    elif len(value) > left or (isinstance(value, str) and not value.isascii() and _size(value) > left):
        refuse(refused, name, "size")
    elif isinstance(value, str):
        return value
    elif value.isascii():
        # Some clients (Go's amqp091 among them) write text as a byte array.
        return value.decode("ascii")
    else:
        refuse(refused, name, "type")
    return None


def refuse(refused: Refused | None, name: str, reason: str) -> None:
    """Tells whoever wants to know that a header is not believed."""
    if refused is not None:
        refused(name, reason)


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
