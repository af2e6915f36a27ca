"""Ready-made checks of what a service depends on; each makes a function for a `Check`."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from voxtrace.errors import HealthCheckError
from voxtrace.health.amqp import Address, log_in
from voxtrace.health.check import Function

__all__ = ["broker", "database", "disk", "model", "store"]


def broker(url: str, *, timeout: float = 3.0) -> Function:
    """
    Check that RabbitMQ, or another broker of AMQP 0-9-1, lets us log in.

    It opens a connection and closes it, which the broker logs: give it an interval.

    Args:
        url: ``amqp://user:password@host:5672/vhost``, or ``amqps://`` for TLS.
        timeout: Seconds for each step.

    Raises:
        ValueError: at once, if the URL is none.
    """
    address = Address.of(url)

    def check() -> None:
        try:
            log_in(address, timeout)
        except OSError as error:
            raise HealthCheckError(f"the broker cannot be reached ({type(error).__name__})") from error

    return check


def database(target: str | Callable[[], Any]) -> Function:
    """
    Check that a database answers ``SELECT 1``.

    Args:
        target: A URL as SQLAlchemy reads it; or a function that opens a connection of Python's database API,
            which is closed again: ``lambda: psycopg.connect(...)``.

    Raises:
        ImportError: at once, if a URL is given and SQLAlchemy is not installed.
    """
    connect = _connector(target) if isinstance(target, str) else target

    def check() -> None:
        connection = connect()
        try:
            cursor = connection.cursor()
            try:
                cursor.execute("SELECT 1")
                cursor.fetchall()
            finally:
                cursor.close()
        finally:
            connection.close()

    return check


def _connector(url: str) -> Callable[[], Any]:
    from sqlalchemy import create_engine  # noqa: PLC0415  only whoever gives a URL needs it
    from sqlalchemy.pool import NullPool  # noqa: PLC0415  as above

    return create_engine(url, poolclass=NullPool, hide_parameters=True).raw_connection


def store(folder: str | Path) -> Function:
    """Check that files can be written in a folder, which must be there: a mount that is gone shows."""
    root = Path(folder)

    def check() -> None:
        probe = root / f".health-{uuid.uuid4().hex}"
        try:
            probe.write_bytes(b"ok")
        except OSError as error:
            reason = type(error).__name__
            raise HealthCheckError(f"the store's folder cannot be written ({reason})") from error
        finally:
            probe.unlink(missing_ok=True)

    return check


def model(loaded: Callable[[], bool], *, name: str | None = None) -> Function:
    """
    Check that a model is loaded.

    Args:
        loaded: Whether it is, such as the ``is_set`` of an event.
        name: The model's name, to be published.
    """
    details = {} if name is None else {"model": name}

    def check() -> dict[str, Any]:
        if not loaded():
            raise HealthCheckError("the model is not loaded yet", **details)
        return details

    return check


def disk(folder: str | Path, *, free_bytes: int = 0, free_ratio: float = 0.0) -> Function:
    """
    Check that a disk has space left: more than so many bytes, and more than such a part of it.

    Args:
        folder: Any folder on it; one that is not there yet counts as its nearest parent.
        free_bytes: The least that must be free.
        free_ratio: The least part that must be free, between 0 and 1.
    """
    root = Path(folder).absolute()

    def check() -> dict[str, Any]:
        found = next(one for one in (root, *root.parents) if one.exists())
        usage = shutil.disk_usage(found)
        ratio = usage.free / usage.total if usage.total else 0.0
        details = {"free_bytes": usage.free, "free_ratio": round(ratio, 4)}
        if usage.free < free_bytes or ratio < free_ratio:
            raise HealthCheckError("the disk is nearly full: make room or move the data", **details)
        return details

    return check
