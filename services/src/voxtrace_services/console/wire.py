"""
How many items a protobuf body holds, counted before it is parsed.

An empty message is two bytes on the wire and some hundred in memory, so a body of a
permitted size could still unfold into gigabytes. The three levels that are walked
here (resource, scope, span or metric or log record) are all that repeats without
bound above an item.
"""

from typing import Final

from voxtrace_services.console.errors import MalformedError, TooLargeError

#: Field numbers of an export request from the top down: resource_*, scope_*, items.
_PATH: Final = (1, 2, 2)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES: Final = 10


def require_items_below(body: bytes, limit: int) -> None:
    """Raise TooLargeError if `body` holds more than `limit` resources, scopes and items together."""
    count = 0
    todo = [(0, len(body), 0)]
    while todo:
        position, end, depth = todo.pop()
        while position < end:
            tag, position = _varint(body, position, end)
            wire_type = tag & 7
            if wire_type == _BYTES:
                size, position = _varint(body, position, end)
                if tag >> 3 == _PATH[depth]:
                    count += 1
                    if count > limit:
                        raise TooLargeError(f"the body holds more than {limit} items; send smaller batches")
                    if depth + 1 < len(_PATH):
                        todo.append((position, min(position + size, end), depth + 1))
                position += size
            elif wire_type == _VARINT:
                _, position = _varint(body, position, end)
            elif wire_type in _FIXED_SIZES:
                position += _FIXED_SIZES[wire_type]
            else:
                # Groups: OTLP has none, and what follows one would go uncounted.
                raise MalformedError("the body is not OTLP: it holds a protobuf group")


def _varint(body: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    for index in range(position, min(position + _MAX_VARINT_BYTES, end)):
        byte = body[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says "more follows"
            return value, index + 1
        shift += 7
    raise MalformedError("the body is not protobuf: a number has no end")
