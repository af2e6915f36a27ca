"""Threads that do something recognisable until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Ward:
    """Holds a method, so that its class is in the profile too."""

    def toil(self, stop: threading.Event) -> None:
        """Work."""
        while not stop.is_set():
            sum(range(200))


def idle(stop: threading.Event) -> None:
    """Wait."""
    stop.wait(60)


def until(happened: Callable[[], object], *, seconds: float = 20) -> None:
    """Wait for something to be true, or fail."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@contextmanager
def at_work(work: Callable[[threading.Event], None], name: str = "work-test") -> Iterator[None]:
    """Run some work in a thread of its own during the block, which begins when the work has."""
    stop, begun = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        work(stop)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    try:
        assert begun.wait(20)
        yield
    finally:
        stop.set()
        thread.join()
