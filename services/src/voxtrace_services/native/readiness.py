"""Questions to a process that has just started; each raises until the answer is yes."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pika

from voxtrace_services.native.errors import NativeError
from voxtrace_services.native.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMEOUT_SECONDS = 5


class NotReadyError(NativeError):
    """The process answers, but says that it is not ready."""


def tcp(port: int) -> Callable[[], None]:
    """Ready when somebody listens on the port."""
    return partial(_connect, port)


def http(url: str) -> Callable[[], None]:
    """Ready when the address answers with a success status."""
    return partial(_get, url)


def amqp(url: str) -> Callable[[], None]:
    """Ready when the broker lets us open a connection and a channel."""
    return partial(_open_channel, url)


def _connect(port: int) -> None:
    with socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT_SECONDS):
        pass


def _get(url: str) -> None:
    answer = httpx.get(url, timeout=_TIMEOUT_SECONDS, trust_env=False)
    if not answer.is_success:
        raise NotReadyError(f"{url} answers {answer.status_code}")


def _open_channel(url: str) -> None:
    parameters = pika.URLParameters(url)
    parameters.blocked_connection_timeout = _TIMEOUT_SECONDS
    # pika logs a refused connection as an error: ask the port first.
    _connect(parameters.port)
    connection = pika.BlockingConnection(parameters)
    try:
        connection.channel()
    finally:
        connection.close()
