"""One check, kept an eye on: its last result is at hand whatever it does now."""

import threading
import time
from contextvars import Context
from typing import Any

from voxtrace.health.check import TIMED_OUT, Check, Outcome

__all__ = ["Watch"]


class Watch:
    """Runs a check in the background, in one thread at most: behind one that hangs, none piles up."""

    def __init__(self, name: str, check: Check) -> None:
        self._name = name
        self._check = check
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._running_since: float | None = None
        self._last: Outcome | None = None

    @property
    def periodic(self) -> bool:
        """Whether it runs in the background, asked for or not."""
        return self._check.interval > 0

    def begin(self) -> None:
        """See that the check runs at its interval, or with none that it runs now."""
        with self._changed:
            # Threads do not survive a fork: one that is dead is replaced, whatever it was doing.
            alive = self._thread is not None and self._thread.is_alive()
            if alive and (self.periodic or self._running_since is not None):
                return
            self._running_since = time.monotonic()
            self._stop = threading.Event()
            self._thread = threading.Thread(
                # Without the caller's context: a thread that lives on must not keep its trace.
                target=Context().run,
                args=(self._run, self._stop),
                name=f"voxtrace-health-{self._name}",
                daemon=True,
            )
            try:
                self._thread.start()
            except RuntimeError:
                self._running_since, self._thread = None, None
                now = time.monotonic()
                self._last = Outcome("failing", "no thread can be started", {}, now, now)

    def wait(self, deadline: float) -> None:
        """Wait for the result that a report is to show, until the deadline or the check's own."""
        with self._changed:
            if self._running_since is not None and self._needed():
                deadline = min(deadline, self._running_since + self._check.timeout)
                self._changed.wait_for(
                    lambda: self._running_since is None or not self._needed(), deadline - time.monotonic()
                )

    def report(self) -> dict[str, Any]:
        """Say how the check stands."""
        now = time.monotonic()
        with self._changed:
            last, since = self._last, self._running_since
        running = 0.0 if since is None else now - since
        if running > self._check.timeout:
            return {"status": "failing", "message": TIMED_OUT, "running_seconds": round(running, 3)}
        if last is None:
            return {"status": "pending", "message": "no result yet", "running_seconds": round(running, 3)}
        return last.as_dict(now)

    def close(self) -> None:
        """Run no more; what hangs is left to end by itself."""
        with self._changed:
            self._stop.set()
            if self.periodic:
                self._thread = None

    def _needed(self) -> bool:
        return not self.periodic or self._last is None

    def _run(self, stop: threading.Event) -> None:
        while True:
            outcome = self._check.run()
            with self._changed:
                self._last, self._running_since = outcome, None
                self._changed.notify_all()
            if not self.periodic or stop.wait(self._check.interval):
                return
            with self._changed:
                self._running_since = time.monotonic()
