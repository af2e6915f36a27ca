"""One upload over HTTP, well-formed or with a fault of its sender's; run where gevent has patched sockets."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from urllib3.filepost import encode_multipart_formdata

from voxtrace_services.cli.load import kinds

if TYPE_CHECKING:
    from voxtrace_services.cli.load.plan import Order

_TIMEOUT_SECONDS = 60.0
#: More than any gateway is set to take.
_OVERSIZED_BYTES = 1 << 40
_TEXT = b"This is a text, whatever its name says.\n" * 20
_PATH = "/v1/uploads"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """
    What came of one order: the last answer's status, None where there was none.

    Attributes:
        seconds: from the begin of the request to the end of its answer.
        code: the problem's, or why there is no answer.
        ids: the uploads that the order made, more than one where it should have made one.
    """

    seconds: float
    status: int | None = None
    code: str | None = None
    ids: tuple[str, ...] = ()
    trace_id: str | None = None


def send(gateway: str, order: Order) -> Answer:
    """Send one order, and give what came of it; what goes wrong on the way is an answer too."""
    audio = Path(order.clip.path).read_bytes() if order.clip else b""
    content = _TEXT if order.fault == kinds.WRONG_TYPE else audio
    # Under a name of ours: whose recording it is, is nobody's business.
    body, content_type = encode_multipart_formdata(
        {"target_language": order.language, "audio": ("speech.wav", content, "application/octet-stream")}
    )
    key = str(uuid.uuid4())
    begun = time.perf_counter()
    bodies: list[dict[str, Any]] = []
    status, code = None, None
    try:
        for _ in range(2 if order.fault == kinds.DUPLICATE else 1):
            status, body_of_answer = _post(gateway, body, content_type, key, order.fault)
            bodies.append(body_of_answer)
            code = body_of_answer.get("code")
    except HungUpError:
        status, code = None, "hung_up"
    except (OSError, HTTPException) as error:
        status, code = None, type(error).__name__
    accepted = [answer for answer in bodies if "trace_id" in answer and "id" in answer]
    return Answer(
        seconds=time.perf_counter() - begun,
        status=status,
        code=code,
        ids=tuple(dict.fromkeys(str(answer["id"]) for answer in accepted)),
        trace_id=accepted[0]["trace_id"] if accepted else None,
    )


def _post(gateway: str, body: bytes, content_type: str, key: str, fault: str) -> tuple[int, dict[str, Any]]:
    """Post on a connection of its own, as clients do who send one recording."""
    address = urlsplit(gateway)
    of_scheme = HTTPSConnection if address.scheme == "https" else HTTPConnection
    with closing(of_scheme(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.putrequest("POST", f"{address.path.rstrip('/')}{_PATH}")
        connection.putheader("Content-Type", content_type)
        connection.putheader("Idempotency-Key", key)
        connection.putheader("Connection", "close")
        length = _OVERSIZED_BYTES if fault == kinds.OVERSIZED else len(body)
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        if fault == kinds.TRUNCATED:
            connection.send(body[: len(body) // 2])
            raise HungUpError
        connection.send(body)
        return _read(connection.getresponse())


def _read(response: HTTPResponse) -> tuple[int, dict[str, Any]]:
    try:
        answer = json.loads(response.read())
    except ValueError:
        answer = None
    return response.status, answer if isinstance(answer, dict) else {}


class HungUpError(HTTPException):
    """We ended the connection before the request was whole."""
