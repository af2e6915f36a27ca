"""The line between a worker and the broker, which a test can cut where TCP would never lose a byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from voxtrace_services.native.ports import LOOPBACK

_CHUNK = 65536


class Line(ThreadingTCPServer):
    """Passes on what workers and the broker say to each other."""

    def __init__(self, broker_port: int) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.broker = (LOOPBACK, broker_port)
        self.url = f"amqp://guest:guest@{LOOPBACK}:{self.server_address[1]}/%2F"
        self.cuts = 0

    @classmethod
    @contextmanager
    def to(cls, broker_port: int) -> Iterator[Line]:
        """Lay a line that is there during the block; end both sides before."""
        with cls(broker_port) as line:
            serving = threading.Thread(target=line.serve_forever, kwargs={"poll_interval": 0.05})
            serving.start()
            yield line
            line.shutdown()
            serving.join()

    def cut(self) -> None:
        """From here on, lose what workers say on the connections they have; new connections are whole."""
        self.cuts += 1


class _Connection(BaseRequestHandler):
    server: Line

    def handle(self) -> None:
        cuts = self.server.cuts
        with socket.create_connection(self.server.broker) as broker:
            answers = threading.Thread(target=_carry, args=(broker, self.request, lambda: False))
            answers.start()
            _carry(self.request, broker, lambda: self.server.cuts > cuts)
            answers.join()


def _carry(source: socket.socket, target: socket.socket, lost: Callable[[], bool]) -> None:
    with suppress(OSError):
        while said := source.recv(_CHUNK):
            if not lost():
                target.sendall(said)
    # The end is never lost: whoever is left must learn of it.
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
