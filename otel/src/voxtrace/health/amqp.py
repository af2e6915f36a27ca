"""As much of AMQP 0-9-1 as it takes to log in to a broker and leave politely."""

import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from voxtrace.errors import HealthCheckError

__all__ = ["Address", "log_in"]

_GREETING: Final = b"AMQP\x00\x00\x09\x01"
_METHOD: Final = 1
_END: Final = b"\xce"
_LARGEST: Final = 64 * 1024

# Methods of the class `connection`.
_START, _START_OK, _TUNE, _TUNE_OK, _OPEN, _OPEN_OK, _CLOSE, _CLOSE_OK = 10, 11, 30, 31, 40, 41, 50, 51


def _short(text: bytes) -> bytes:
    return struct.pack(">B", len(text)) + text


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


# RabbitMQ then says so when it does not know us, and does not just hang up.
_CAPABILITIES: Final = _short(b"authentication_failure_close") + b"t\1"
_PROPERTIES: Final = _long(_short(b"capabilities") + b"F" + _long(_CAPABILITIES))


@dataclass(frozen=True)
class Address:
    """Where a broker is, and as whom to log in."""

    host: str
    port: int
    user: str
    password: str
    vhost: str
    secure: bool

    @classmethod
    def of(cls, url: str) -> "Address":
        """
        Read an AMQP URL, such as ``amqp://guest:guest@127.0.0.1:5672/%2F``.

        Raises:
            ValueError: it is none.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
            raise ValueError("give an AMQP URL: amqp://user:password@host:5672/vhost")
        secure = parts.scheme == "amqps"
        return cls(
            host=parts.hostname,
            port=parts.port or (5671 if secure else 5672),
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
            secure=secure,
        )


def log_in(address: Address, timeout: float) -> None:
    """
    Open a connection as a client would, and close it.

    Raises:
        HealthCheckError: the broker is not one, or refuses.
        OSError: it cannot be reached.
    """
    with (
        socket.create_connection((address.host, address.port), timeout) as bare,
        _secured(bare, address) as line,
    ):
        line.settimeout(timeout)
        line.sendall(_GREETING)
        _expect(line, _START)
        secret = f"\0{address.user}\0{address.password}".encode()
        _send(line, _START_OK, _PROPERTIES, _short(b"PLAIN"), _long(secret), _short(b"en_US"))
        limits = _expect(line, _TUNE)
        # No heartbeats: the connection does not live that long.
        _send(line, _TUNE_OK, limits[:6], struct.pack(">H", 0))
        _send(line, _OPEN, _short(address.vhost.encode()), _short(b""), b"\0")
        _expect(line, _OPEN_OK)
        _send(line, _CLOSE, struct.pack(">H", 200), _short(b""), struct.pack(">HH", 0, 0))
        _expect(line, _CLOSE_OK)


def _secured(bare: socket.socket, address: Address) -> socket.socket:
    if not address.secure:
        return bare
    return ssl.create_default_context().wrap_socket(bare, server_hostname=address.host)


def _send(line: socket.socket, method: int, *arguments: bytes) -> None:
    payload = struct.pack(">HH", 10, method) + b"".join(arguments)
    line.sendall(struct.pack(">BHI", _METHOD, 0, len(payload)) + payload + _END)


def _expect(line: socket.socket, wanted: int) -> bytes:
    """Return the arguments of the method that comes, which must be this one."""
    kind, _, size = struct.unpack(">BHI", _read(line, 7))
    if kind != _METHOD or size > _LARGEST:
        raise HealthCheckError("what answers there does not speak AMQP 0-9-1")
    payload = _read(line, size + 1)
    number, method = struct.unpack(">HH", payload[:4])
    if (number, method) == (10, _CLOSE):
        (code,) = struct.unpack(">H", payload[4:6])
        raise HealthCheckError(f"the broker refuses the connection (reply code {code})")
    if (number, method) != (10, wanted):
        raise HealthCheckError("the broker does not answer as AMQP 0-9-1 has it")
    return payload[4:-1]


def _read(line: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        more = line.recv(size - len(read))
        if not more:
            raise HealthCheckError("the broker closed the connection: are user, password and vhost right?")
        read += more
    return read
