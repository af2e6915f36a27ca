"""Install what is missing, or name the command that does."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from voxtrace_services.native.errors import MissingPartError
from voxtrace_services.native.parts import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from voxtrace_services.native.parts import Need

# Debian starts a server as soon as it is installed; ours run as private processes,
# and a second one would hold their ports. policy-rc.d is how Debian is told not to.
_SCRIPT = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' > $policy
    chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends "$@"; }
install "$@" || { apt-get update -q; install "$@"; }
"""


def install(need: Need, on_progress: Callable[[str], None]) -> None:
    """
    Install the Debian packages that one purpose lacks.

    Raises:
        MissingPartError: when that is not possible here, with the commands to run.
    """
    packages = sorted({package for part in missing(need) for package in part.apt})
    if not packages:
        return
    command = _privileged()
    if command is None:
        raise MissingPartError(_instructions(need, "it cannot be installed from here"))
    on_progress(f"installing {' '.join(packages)}")
    done = subprocess.run([*command, "sh", "-c", _SCRIPT, "install", *packages], check=False)
    if done.returncode != 0:
        raise MissingPartError(_instructions(need, "apt-get failed"))


def require(need: Need) -> None:
    """
    Check that every part for one purpose is here.

    Raises:
        MissingPartError: with one install command per missing part.
    """
    if missing(need):
        raise MissingPartError(_instructions(need, "install what is missing"))


def _privileged() -> list[str] | None:
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and _quiet(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def _quiet(command: Iterable[str]) -> bool:
    return subprocess.run(list(command), check=False, capture_output=True).returncode == 0


def _instructions(need: Need, why: str) -> str:
    lines = [f"  {part.name} ({part.purpose}): {part.install}" for part in missing(need)]
    return "\n".join([f"Needed for {need}; {why}:", *lines])
