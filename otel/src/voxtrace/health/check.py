"""What is checked, how often, and what came of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from voxtrace.errors import HealthCheckError

__all__ = ["TIMED_OUT", "Check", "Function", "Outcome"]

#: Returns details to publish, or nothing; raises when something is wrong.
Function = Callable[[], Mapping[str, Any] | None]

TIMED_OUT: Final = "timed out"


@dataclass(frozen=True)
class Outcome:
    """What a check said: `status` is ok or failing; the times are of the monotonic clock."""

    status: str
    message: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    started: float = 0.0
    ended: float = 0.0

    def as_dict(self, now: float) -> dict[str, Any]:
        """Return it as JSON shows it, with its age."""
        said: dict[str, Any] = {"status": self.status}
        if self.message:
            said["message"] = self.message
        if self.details:
            said["details"] = dict(self.details)
        said["age_seconds"] = round(max(now - self.ended, 0.0), 3)
        said["duration_seconds"] = round(self.ended - self.started, 3)
        return said


@dataclass(frozen=True)
class Check:
    """
    A question that a service asks itself.

    Args:
        function: Fails by raising. The type of the exception is published; its text only if it is a
            `HealthCheckError`, for a foreign text may hold an address, a password or a file name.
        interval: Seconds between two runs in the background; with 0 each report asks anew.
        timeout: Seconds after which it is failing, whether it still hangs or came back late.
    """

    function: Function
    interval: float = 0.0
    timeout: float = 5.0

    def run(self) -> Outcome:
        """Ask now, in this thread."""
        started = time.monotonic()
        status, message, details = _asked(self.function)
        ended = time.monotonic()
        if ended - started > self.timeout:
            status, message = "failing", TIMED_OUT
        return Outcome(status, message, details, started, ended)


def _asked(function: Function) -> tuple[str, str | None, Mapping[str, Any]]:
    try:
        return "ok", None, dict(function() or {})
    except HealthCheckError as error:
        return "failing", str(error), dict(error.details)
    except BaseException as error:  # noqa: BLE001  any exception is the check's way to say no, an exit too
        return "failing", type(error).__qualname__, {}
