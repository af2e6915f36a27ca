"""Who may have a process profile itself, and when."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Policy = Literal["off", "loopback", "anyone"]

# With one of these a request came by way of a proxy, so its peer says nothing about who sent it.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
#: The names by which this machine calls itself; under another one a web page is at work.
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_OWN_SITES = ("none", "same-origin")


def refusal(policy: Policy, peer: str | None, headers: Mapping[str, str]) -> str | None:
    """
    Why a profile is refused, as a sentence that says what to do; None where it may be had.

    Args:
        policy: The setting.
        peer: The address that the request came from.
        headers: The request's, by names in lower case.
    """
    if policy == "anyone":
        return None
    if policy == "off":
        return "Profiling is off; VOXTRACE_PROFILING=loopback or =anyone allows it."
    if _is_loopback(peer) and not any(name in headers for name in _FORWARDED) and _is_own(headers):
        return None
    return "Ask from the machine itself, or have its operator set VOXTRACE_PROFILING=anyone."


class Turn:
    """One profile at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take the turn for the block; yields whether it was free."""
        free = self._lock.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._lock.release()


def _is_loopback(peer: str | None) -> bool:
    try:
        return ip_address(peer or "").is_loopback
    except ValueError:
        return False


def _is_own(headers: Mapping[str, str]) -> bool:
    """Whether no page of another site, in a browser of this machine, is behind the request."""
    host = headers.get("host", "localhost").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in _LOOPBACK_NAMES and headers.get("sec-fetch-site", "none") in _OWN_SITES
