"""Who is at work in this process, and what they are doing while somebody asks."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from voxtrace.profile import Subject
from voxtrace_services.core.profiling.recording import INTERVAL_SECONDS, Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")

#: A profile is no longer than this.
LONGEST_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class _Work:
    thread: int
    name: str
    subject: Subject
    #: Whether the thread is at this work just now: an event loop turns to others in between.
    at_it: Callable[[], bool]


class Sampler:
    """
    Samples the threads whose work is covered; while nobody asks it costs them nothing.

    Work that began before a profile, or ends after it, is seen for the time that they share.
    """

    def __init__(self) -> None:
        self._works: dict[object, _Work] = {}

    @contextmanager
    def covering(self) -> Iterator[None]:
        """Cover what this thread does in the block."""
        thread = threading.current_thread()
        with self._registered(thread.name, lambda: True):
            yield

    @contextmanager
    def covering_task(self) -> Iterator[None]:
        """Cover what this task does in the block, and nothing that its event loop does for others."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        with self._registered("event loop", lambda: asyncio.current_task(loop) is task):
            yield

    def covered(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, covered."""

        @functools.wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> T:
            with self.covering():
                return function(*arguments, **options)

        return call

    def record(
        self,
        title: str,
        stop: threading.Event,
        *,
        seconds: float = LONGEST_SECONDS,
        seen: Callable[[Subject], None] | None = None,
    ) -> Recording:
        """
        Sample the covered work, from this thread.

        Args:
            title: What the profile is of.
            stop: Ends it.
            seconds: Ends it too.
            seen: Told of the span of each work that is sampled, once.
        """
        recording = Recording(title)
        deadline = time.monotonic() + min(seconds, LONGEST_SECONDS)
        known: set[object] = set()
        while not stop.wait(INTERVAL_SECONDS) and time.monotonic() < deadline:
            works = list(self._works.items())
            active = [(key, work) for key, work in works if work.at_it()]
            recording.sample(
                {work.thread: work.name for _, work in active}, waiting=works[0][1].name if works else None
            )
            for key, work in active:
                if key not in known and seen is not None:
                    seen(work.subject)
                known.add(key)
        return recording

    @contextmanager
    def _registered(self, name: str, at_it: Callable[[], bool]) -> Iterator[None]:
        key = object()
        self._works[key] = _Work(
            thread=threading.get_ident(), name=name, subject=Subject.current(), at_it=at_it
        )
        try:
            yield
        finally:
            del self._works[key]
