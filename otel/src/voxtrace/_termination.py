"""Deliver what is queued when the process is told to stop by SIGTERM."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

__all__ = ["flush_on_sigterm"]


def flush_on_sigterm(flush: Callable[[], object]) -> bool:
    """
    Flush on SIGTERM and then die of it; tell whether that was arranged.

    Only a process that would die at once is touched: where the application (or
    its server) handles SIGTERM itself, it ends by exiting, and that flushes.
    """
    if threading.current_thread() is not threading.main_thread():
        return False  # Python lets only the main thread set handlers
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the shape signal wants
        # First of all, so that a second SIGTERM is obeyed at once.
        signal.signal(number, signal.SIG_DFL)
        try:
            flush()
        finally:
            # By the same signal: whoever waits for us sees what really happened.
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handle)
    return True
