"""Deadlines for calls that know none: the SDK ignores the time-outs of its own flushes."""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue

__all__ = ["Crew"]

_logger = logging.getLogger("voxtrace")


class Crew:
    """
    Daemon threads that run one call each, side by side, until a common deadline.

    The threads start with the crew and not with the call: from Python 3.12 no
    thread may be started any more once the interpreter shuts down.
    """

    def __init__(self, *names: str) -> None:
        self._names = names
        self._enlist()
        # Threads do not survive a fork; a forked worker flushes with its own.
        reference = weakref.WeakMethod(self._enlist)

        def after_fork() -> None:
            if enlist := reference():
                enlist()

        os.register_at_fork(after_in_child=after_fork)

    def _enlist(self) -> None:
        self._inboxes = {name: _start(name) for name in self._names}

    def run(self, calls: Mapping[str, Callable[[], object]], timeout: float) -> bool:
        """Run each call on the member of its name; tell whether all were done in time and none failed."""
        deadline = time.monotonic() + timeout
        # SimpleQueue can be used in a signal handler; Queue and Event take locks that
        # the interrupted code may hold.
        done: SimpleQueue[bool] = SimpleQueue()
        for name, call in calls.items():
            self._inboxes[name].put((call, done))
        well = True
        for _ in calls:
            try:
                well &= done.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return False
        return well


_Inbox = SimpleQueue[tuple[Callable[[], object], SimpleQueue[bool]]]


def _start(name: str) -> _Inbox:
    inbox: _Inbox = SimpleQueue()
    threading.Thread(target=_work, args=(inbox,), name=f"voxtrace-{name}", daemon=True).start()
    return inbox


def _work(inbox: _Inbox) -> None:
    while True:
        call, done = inbox.get()
        try:
            done.put(call() is not False)
        except Exception:
            _logger.exception("Telemetry could not be flushed")
            done.put(False)
