"""What may be read of headers that come from strangers: text, and not too much of it."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"

MAX_HEADER_BYTES: Final = 8192
"""The W3C limit for baggage, and what all propagated headers of a message may have together."""

TRACEPARENT_BYTES: Final = 55
"""How long a traceparent is in the form in which it is written."""

Refused = Callable[[str, str], None]
"""Takes the name of a header that is not believed, and the reason: `type`, `size` or `syntax`."""

# The API's propagators take quadratic time over a run of blanks: 0.1 to 0.3 s for 8 KiB.
_HOSTILE: Final = re.compile("[ \t]{64}")


def harmless(text: str) -> bool:
    """True if any propagator may read the text: it takes no long time over it."""
    return len(text) <= MAX_HEADER_BYTES and _HOSTILE.search(text) is None


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
