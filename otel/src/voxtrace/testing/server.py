"""What an in-memory broker runs on: its lock, its clock, its sessions."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from voxtrace.testing.vhost import VirtualHost

if TYPE_CHECKING:
    from voxtrace.testing.sessions import Session


class Server:
    """
    One virtual host and the connections to it.

    Attributes:
        changed: Held by whoever works on the virtual host; notified when something may have been sent.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.changed = threading.Condition()
        self._clock = clock
        self._advanced = 0.0
        self._vhost = VirtualHost(now=self.now)
        self._sessions: list[Session] = []

    def now(self) -> float:
        """The broker's time, in seconds since 1970."""
        return self._clock() + self._advanced

    def elapsed(self) -> float:
        """The time that connections measure delays by, in seconds."""
        return time.monotonic() + self._advanced

    def advance(self, seconds: float) -> None:
        """Moves both times on."""
        with self.changed:
            self._advanced += seconds
            self.pass_on()
            self.changed.notify_all()

    def pass_on(self) -> None:
        """Does what time alone brings about; for those who hold `changed`."""
        self._vhost.expire()
        self._vhost.dispatch()

    def until_expiry(self) -> float | None:
        """Seconds until a message expires; None while none will."""
        expiry = self._vhost.next_expiry()
        return None if expiry is None else max(0.0, expiry - self.now())

    def accept(self) -> "Session":
        """The broker's end of a new connection."""
        # On use: pika may be absent where this module is imported.
        from voxtrace.testing.sessions import Session  # noqa: PLC0415

        session = Session(self._vhost)
        with self.changed:
            self._sessions = [*(other for other in self._sessions if not other.ended), session]
        return session

    def drop(self, error: Exception) -> None:
        """Ends every connection without a word; clients that look find `error`."""
        with self.changed:
            for session in self._sessions:
                session.end(error)
            self._sessions.clear()
            self.changed.notify_all()
