"""A container seen from inside, by what the kernel says of it: some images have no shell to ask."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from compose.engine import docker

_LISTEN = "0A"


def first(container: dict[str, Any]) -> Path:
    """The folder in /proc of a container's first process, which lives as long as the container does."""
    return Path("/proc") / str(container["State"]["Pid"])


def processes(container: dict[str, Any]) -> list[Path]:
    """The folder in /proc of each process in a container."""
    said = docker("top", container["Id"], "-eo", "pid").stdout.split()
    return [Path("/proc") / pid for pid in said[1:]]


def statuses(container: dict[str, Any]) -> list[dict[str, str]]:
    """What the kernel says of each process in a container, by name."""
    found = []
    for process in processes(container):
        # Health checks come and go.
        with suppress(FileNotFoundError, ProcessLookupError):
            lines = (process / "status").read_text(encoding="utf-8").splitlines()
            found.append({name: value.strip() for name, _, value in (line.partition(":") for line in lines)})
    return found


def mounts(process: Path) -> dict[str, tuple[str, set[str]]]:
    """Where something is mounted: its kind of file system, and its options."""
    found = {}
    for line in (process / "mountinfo").read_text(encoding="utf-8").splitlines():
        place, _, rest = line.partition(" - ")
        fields = place.split()
        found[fields[4]] = (rest.split()[0], set(fields[5].split(",")))
    return found


def listeners(process: Path) -> set[tuple[str, int]]:
    """Each TCP port that somebody listens on in the container: on `loopback` alone, or on `any` address."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (process / "net" / table).read_text(encoding="utf-8").splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, port = local.partition(":")
            if state == _LISTEN:
                found.add(("loopback" if _loopback(address) else "any", int(port, 16)))
    return found


def _loopback(address: str) -> bool:
    # Words of 32 bits, each with its bytes turned around.
    words = [bytes.fromhex(address[begin : begin + 8])[::-1] for begin in range(0, len(address), 8)]
    found = ip_address(b"".join(words))
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)
