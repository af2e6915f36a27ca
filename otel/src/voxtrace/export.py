"""
Send a trace's local part as a whole, so that a killed process leaves no orphans.

A span is exported when it ends, its parent when that ends. A process killed in
between leaves children without a parent, and every backend draws them wrongly.
Here finished spans wait until the local root of their work has ended: the span
whose parent is in another process, or nowhere.
"""

import os
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

__all__ = ["LocalRootSpanProcessor"]


@dataclass(slots=True)
class _Work:
    """What one local root has under it so far."""

    root: int
    members: list[int] = field(default_factory=list)
    held: list[ReadableSpan] = field(default_factory=list)


class LocalRootSpanProcessor(SpanProcessor):
    """
    Hold finished spans until their local root ends, then pass all of them on.

    What does not fit is passed on early and not lost: when one root has too many
    finished spans, that root's; when the process has, those of the oldest root.

    `force_flush` and `shutdown` release everything that has finished, even under
    open roots: someone asks for it now, and a span without its parent is better
    than none. Spans that end after a root has ended pass straight through.
    """

    def __init__(self, after: SpanProcessor, *, max_spans: int = 2048, max_spans_per_root: int = 512) -> None:
        """
        Stand before another processor.

        Args:
            after: Where spans go next, as a rule a `BatchSpanProcessor`.
            max_spans: How many finished spans the process may hold.
            max_spans_per_root: How many finished spans one local root may hold; keep
                it below the queue of `after`, which receives them at one go.
        """
        self._after = after
        self._max_spans = max_spans
        self._max_spans_per_root = max_spans_per_root
        self._forget()
        # What the parent process holds is the parent's to send.
        reference = weakref.WeakMethod(self._forget)

        def after_fork() -> None:
            if forget := reference():
                forget()

        os.register_at_fork(after_in_child=after_fork)

    def _forget(self) -> None:
        # Re-entrant: a span may end in a destructor that runs inside our own lines.
        self._lock = threading.RLock()
        self._works: dict[int, _Work] = {}  # by the span id of every member
        self._open: dict[int, _Work] = {}  # by the span id of the root, oldest first
        self._held = 0

    @property
    def held(self) -> int:
        """How many finished spans wait for their local root."""
        return self._held

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note whose work the span belongs to."""
        self._after.on_start(span, parent_context)
        parent = span.parent
        span_id = span.get_span_context().span_id
        with self._lock:
            work = None if parent is None or parent.is_remote else self._works.get(parent.span_id)
            if work is None:
                # No parent here, or one whose root has ended: this span's children wait for it.
                work = self._open[span_id] = _Work(root=span_id)
            work.members.append(span_id)
            self._works[span_id] = work

    def _on_ending(self, span: Span) -> None:
        self._after._on_ending(span)  # noqa: SLF001  # the SDK's own hook; it has no public name

    def on_end(self, span: ReadableSpan) -> None:
        """Hold the span, or pass it on with everything it completes."""
        for finished in self._finish(span):
            self._after.on_end(finished)

    def _finish(self, span: ReadableSpan) -> Iterable[ReadableSpan]:
        context = span.get_span_context()
        span_id = context.span_id if context else 0
        with self._lock:
            work = self._works.get(span_id)
            if work is None:
                return [span]
            if work.root == span_id:
                return [*self._close(work), span]
            work.held.append(span)
            self._held += 1
            if len(work.held) >= self._max_spans_per_root:
                return self._give_up(work)
            if self._held >= self._max_spans:
                return self._give_up(next(work for work in self._open.values() if work.held))
            return []

    def _close(self, work: _Work) -> list[ReadableSpan]:
        """Release a work and forget its members; what of it ends later passes straight through."""
        self._open.pop(work.root, None)
        for member in work.members:
            self._works.pop(member, None)
        return self._take(work)

    # A root that outgrew its share is split up: each span still to come below it is
    # a root of its own, so that memory stays bounded for work that never ends.
    _give_up = _close

    def _take(self, work: _Work) -> list[ReadableSpan]:
        held, work.held = work.held, []
        self._held -= len(held)
        return held

    def _release(self) -> None:
        # A signal handler may have interrupted the very lines that hold the lock:
        # a half-told state is better than a flush that never starts.
        locked = self._lock.acquire(timeout=0.5)
        try:
            released = [span for work in list(self._open.values()) for span in self._take(work)]
        finally:
            if locked:
                self._lock.release()
        for span in released:
            self._after.on_end(span)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Release everything that has finished and flush what comes next."""
        self._release()
        return self._after.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Release everything that has finished and shut down what comes next."""
        self._release()
        self._after.shutdown()
