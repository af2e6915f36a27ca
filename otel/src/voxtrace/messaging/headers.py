"""What may be read of a message's headers, which come from strangers and may hold any AMQP type."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

NONE: Final[Mapping[Any, Any]] = MappingProxyType({})

# Tables are dictionaries wherever pika made them: the first is found at once.
TABLES: Final = (dict, Mapping)


def headers_of(properties: Any) -> Mapping[Any, Any]:
    """The headers of a message; `NONE` where it has no table of them."""
    headers = getattr(properties, "headers", None)
    return headers if isinstance(headers, TABLES) else NONE


def header_int(headers: Mapping[Any, Any], name: str) -> int | None:
    """The header `name` if it is an integer."""
    value = headers.get(name)
    # bool is an int to Python but a type of its own to AMQP.
    return value if isinstance(value, int) and value is not True and value is not False else None
