"""
Write the secrets of a first start, one folder for each who reads them; runs in a container, without root.

A server's password is made once and never changes by itself. What its clients are given is written anew from
it each time, so that a lost folder of theirs comes back. A folder is a volume that its readers alone mount.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

FOLDER = Path(os.environ.get("SETUP_SECRETS", "/secrets"))
USER = "voxtrace"
#: The readers are other users, alone with their volume.
READABLE = 0o444


def write(path: Path, text: str) -> None:
    """Put a file in place whole or not at all, readable and no more."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(
        os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READABLE), "w", encoding="utf-8"
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(READABLE)
    part.replace(path)


def password(server: str) -> str:
    """The password of a server, made up where it has none yet."""
    path = FOLDER / server / "password"
    if not path.exists():
        write(path, secrets.token_urlsafe(32))
        print(f"{server}: a password is made")
    return path.read_text(encoding="utf-8")


def main() -> None:
    """Write every file that is not there."""
    broker, database, cache = map(password, ("rabbitmq", "postgresql", "valkey"))
    password("grafana")
    amqp = f"amqp://{USER}:{broker}@rabbitmq:5672/%2F"
    for name, text in {
        "rabbitmq/user.conf": f"default_user = {USER}\ndefault_pass = {broker}\n",
        "valkey/valkey.conf": f"requirepass {cache}\n",
        "gateway/voxtrace_amqp_url": amqp,
        "gateway/voxtrace_database_url": f"postgresql+psycopg://{USER}:{database}@postgresql/{USER}",
        "worker/voxtrace_amqp_url": amqp,
        "worker/voxtrace_translation_cache_url": f"redis://:{cache}@valkey:6379/0",
    }.items():
        write(FOLDER / name, text)


if __name__ == "__main__":
    main()
