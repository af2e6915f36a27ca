"""Samples of what threads were doing, in the form that pyinstrument renders."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pyinstrument.frame import AWAIT_FRAME_IDENTIFIER
from pyinstrument.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, FrameType

#: Pauses between samples.
INTERVAL_SECONDS = 0.001


class Recording:
    """
    The samples of one profile.

    pyinstrument can sample the thread that starts it and no other, which does not help with work that
    has begun already: so the samples are taken here, from a thread of their own, and the rest is its own.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._records: list[tuple[list[str], float]] = []
        self._samples = 0
        self._names: dict[tuple[CodeType, int], str] = {}
        self._began = time.time()
        self._spent = time.process_time()
        self._last = self._first = time.perf_counter()

    @property
    def samples(self) -> int:
        """How often somebody was seen at work."""
        return self._samples

    def sample(self, threads: Mapping[int, str], *, waiting: str | None = None) -> None:
        """
        Note what each of these threads is doing, as what it did since the last sample.

        Args:
            threads: The threads at work: their names, by ident.
            waiting: Who waits, if nobody is at work.
        """
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        frames = sys._current_frames() if threads else {}  # noqa: SLF001  documented, in spite of its name
        for ident, name in threads.items():
            if (frame := frames.get(ident)) is not None:
                self._note(self._stack(frame, name), seconds)
        if not threads and waiting is not None:
            self._note([_root(waiting), AWAIT_FRAME_IDENTIFIER], seconds)

    def session(self) -> Session:
        """The samples as pyinstrument's session."""
        return Session(
            frame_records=self._records,
            start_time=self._began,
            duration=self._last - self._first,
            min_interval=INTERVAL_SECONDS,
            max_interval=INTERVAL_SECONDS,
            sample_count=self._samples,
            start_call_stack=self._stem(),
            target_description=self._title,
            cpu_time=time.process_time() - self._spent,
            sys_path=list(sys.path),
            sys_prefixes=Session.current_sys_prefixes(),
        )

    def _note(self, stack: list[str], seconds: float) -> None:
        self._samples += 1
        # Native code looks the same for many samples: kept once, a long profile stays small.
        if self._records and self._records[-1][0] == stack:
            stack, before = self._records.pop()
            seconds += before
        self._records.append((stack, seconds))

    def _stack(self, frame: FrameType | None, name: str) -> list[str]:
        stack = []
        while frame is not None:
            stack.append(self._name(frame.f_code, frame.f_lineno or 0))
            frame = frame.f_back
        stack.append(_root(name))
        stack.reverse()
        return stack

    def _name(self, code: CodeType, line: int) -> str:
        """A frame in pyinstrument's words; not by its own function, which reads local variables."""
        if (known := self._names.get((code, line))) is not None:
            return known
        name = f"{code.co_name}\0{code.co_filename}\0{code.co_firstlineno}"
        owner = code.co_qualname.rpartition(".")[0]
        if owner and not owner.endswith("<locals>"):
            name += f"\1c{owner.rpartition('<locals>.')[2]}"
        self._names[code, line] = name = f"{name}\1l{line}"
        return name

    def _stem(self) -> list[str]:
        """What all stacks begin with, which is of no interest; at least one entry."""
        stacks = [[one.partition("\1")[0] for one in stack] for stack, _ in self._records]
        stem: list[str] = []
        for level in zip(*stacks, strict=False):
            if len(set(level)) > 1:
                break
            stem.append(level[0])
        return stem or [""]


def _root(name: str) -> str:
    # Without the ident: a consumer's work is in a new thread for each message, and is one work.
    return f"{name}\0<thread>\x000"
