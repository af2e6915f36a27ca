"""
The one place where a failure of our own is logged once and swallowed.

Only Voxtrace's own lines go inside the guard. User code never does: inside, its
exception would be lost, and a caller that "carries on" would run it twice.
"""

import logging
import threading
from types import TracebackType

__all__ = ["guarded", "report"]

_logger = logging.getLogger("voxtrace")
# Re-entrant: a signal's handler may fail inside our own lines, too.
_lock = threading.RLock()
_reported: set[tuple[str, type[BaseException]]] = set()


class guarded:  # noqa: N801  # reads as a verb at the call: `with guarded("start a span")`
    """
    Swallow and report once whatever our own code inside the block raises.

    Entering and leaving it are calls: where every message passes, `try` and `report` do the same for nothing.
    """

    __slots__ = ("_action",)

    def __init__(self, action: str) -> None:
        self._action = action

    def __enter__(self) -> None:
        """Enter the guard."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Report an ``Exception``; let KeyboardInterrupt and its like through."""
        if not isinstance(error, Exception):
            return False
        report(self._action, error)
        return True


def report(action: str, error: Exception) -> None:
    """
    Log that Voxtrace could not do `action`, once per action and kind of error.

    The text of the error stays out: it may quote a transcript or a file name.
    """
    key = (action, type(error))
    with _lock:
        if key in _reported:
            return
        _reported.add(key)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "an unknown place"
    _logger.error(
        "Voxtrace could not %s (%s at %s). The application is not affected; "
        "further failures of this kind are not logged.",
        action,
        type(error).__qualname__,
        where,
    )
