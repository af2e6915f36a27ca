"""A private PostgreSQL for tests: own data folder, own socket, no port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

INSTALL = "PostgreSQL is not installed: apt-get install postgresql"


def program(name: str) -> str:
    """Find a server program, which Debian keeps off PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = str(versions[-1]) if versions else shutil.which(name)
    assert found, INSTALL
    return found


class PostgreSQL:
    """A server in a temporary folder; it refuses to run as root, so root lends it another user."""

    def __init__(self) -> None:
        self._user = None if os.geteuid() else pwd.getpwnam("postgres").pw_name
        # Not under pytest's folder, which only its owner may enter; short, for the socket's name is.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the maintenance database."""
        return f"postgresql+psycopg://tester@/postgres?host={self._folder}"

    def start(self) -> None:
        """Make a database cluster and serve it."""
        data = str(self._folder / "data")
        initdb = [program("initdb"), "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=self._folder, user=self._user)
        options = [
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={self._folder}",
            "-c",
            "fsync=off",
        ]
        with (self._folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [program("postgres"), "-D", data, *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                user=self._user,
            )
        deadline = time.monotonic() + 60
        while "ready to accept connections" not in (self._folder / "log").read_text():
            assert self._server.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL is not ready after 60 s"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # the fast shutdown: clients are cut off
            self._server.wait(30)
        shutil.rmtree(self._folder)
