"""When a message came to this process, where it then waits for its callback."""

import time
from collections.abc import Callable
from typing import Any, Final

_ARRIVED: Final = "_voxtrace_arrived"


def stamping(callback: Callable[..., Any]) -> Callable[..., Any]:
    """
    The callback with which pika queues a message for the user's, noting the time on the message's method.

    The note goes wherever the message goes, and with it: there is no table to keep small.
    """

    def on_message(channel: Any, method: Any, properties: Any, body: Any) -> Any:
        method._voxtrace_arrived = time.time_ns()  # noqa: SLF001 - as `take` removes
        return callback(channel, method, properties, body)

    return on_message


def take(method: Any) -> int | None:
    """The time of arrival in ns, if it was noted; the user does not see the note."""
    arrived: int | None = getattr(method, _ARRIVED, None)
    if arrived is not None:
        delattr(method, _ARRIVED)
    return arrived
