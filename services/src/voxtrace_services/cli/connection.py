"""HTTP to the platform's own servers, with what can go wrong said in one line."""

from __future__ import annotations

from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING

import httpx

from voxtrace_services.cli.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 30.0


def connect(url: str, *, token: str | None = None) -> httpx.Client:
    """Return a client for one server; a proxy from the environment is never asked for loopback."""
    return httpx.Client(
        base_url=url,
        headers=None if token is None else {b"Authorization": f"Bearer {token}".encode()},
        timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
        trust_env=not is_loopback(url),
    )


@contextmanager
def answering(server: str, url: str) -> Iterator[None]:
    """
    Translate a connection's failure into what to do about it.

    Raises:
        UnreachableError: when nobody answers at the address, or not in HTTP.
    """
    try:
        yield
    except httpx.TimeoutException as error:
        raise UnreachableError(f"The {server} at {url} did not answer in time.") from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        start = "voxtrace down; voxtrace up --full" if server == "jaeger" else "voxtrace up"
        raise UnreachableError(f"No {server} answers at {url}. Start the platform with: {start}") from error


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine, as far as that can be known without asking for its name."""
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
