"""Where the repository's configuration and this machine's caches lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dotenv import dotenv_values

from voxtrace_services.native.errors import LayoutError, MissingPartError


def root() -> Path:
    """
    The repository, whose `collector-config/` and `deploy/` the real parts are started with.

    Raises:
        LayoutError: when this package was installed away from the repository.
    """
    override = os.environ.get("VOXTRACE_HOME")
    found = Path(override).resolve() if override else Path(__file__).resolve().parents[4]
    if not (found / "collector-config").is_dir():
        raise LayoutError(
            f"{found} holds no collector-config/: run from a checkout (make setup), "
            "or name one with VOXTRACE_HOME."
        )
    return found


def setting(name: str) -> str:
    """
    A port or version, from the environment or else from `.env`.

    Raises:
        LayoutError: when neither has it.
    """
    value = os.environ.get(name) or dotenv_values(root() / ".env").get(name)
    if not value:
        raise LayoutError(f"{name} is not set: restore it in {root() / '.env'}.")
    return value


def builds() -> Path:
    """Where built programs are kept: outside the checkout, so that a clean one does not build again."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "voxtrace"


def installed(*programs: str, package: str) -> Path:
    """
    A program that Debian's package brings, under whichever of its names is on PATH.

    Raises:
        MissingPartError: with the command that installs it.
    """
    for program in programs:
        if found := shutil.which(program):
            return Path(found)
    raise MissingPartError(
        f"{programs[0]} is not installed: apt-get install --no-install-recommends {package}"
    )
