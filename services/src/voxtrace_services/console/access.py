"""
Who may talk to the console: this machine, or whoever holds the token.

VOXTRACE_CONSOLE_TOKEN is for a console that you run yourself (`python -m voxtrace_services.console`), beyond
loopback. Then every request needs `Authorization: Bearer <token>`:

- services send it with OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20<token>;
- a Collector sends it where the console is its one more back end: VOXTRACE_OTLP_ENDPOINT is the console's
  address, VOXTRACE_OTLP_HEADERS=authorization=Bearer%20<token>;
- `voxtrace trace` and `voxtrace red` send it when VOXTRACE_CONSOLE_TOKEN is set and VOXTRACE_CONSOLE_URL (or
  `--console`) names the console.

The console that `voxtrace up` starts is on loopback, and takes no token. Neither does one in a container
whose network is private, and which its host publishes on loopback alone: VOXTRACE_CONSOLE_NAMES says by which
names the members of that network call it. Browsers reach it by names of loopback still, so that no page of
others' can read it.
"""

import hmac
import ipaddress
from typing import Annotated, Any

from fastapi.responses import JSONResponse
from pydantic import SecretStr, field_validator
from pydantic_settings import NoDecode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from voxtrace_services.console.errors import UnsafeBindError
from voxtrace_services.core.settings import Settings

#: By these names a browser of this machine reaches the console; any other is a rebinding trick.
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class ConsoleSettings(Settings):
    """The settings, and the token that a console beyond this machine must have."""

    console_token: SecretStr | None = None
    #: What the members of a private network call it, beside the names of loopback.
    console_names: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("console_names", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )


def require_safe_bind(host: str, token: str | None, names: tuple[str, ...] = ()) -> None:
    """Raise UnsafeBindError if others can reach `host`, and there is neither token nor private network."""
    if token is None and not names and not is_loopback(host):
        raise UnsafeBindError(
            f"VOXTRACE_CONSOLE_HOST={host} can be reached from other machines, and traces tell what "
            "people upload: set VOXTRACE_CONSOLE_TOKEN to a long random text (senders then need the header "
            "`Authorization: Bearer <token>`), or listen on 127.0.0.1; in a private network of containers, "
            "VOXTRACE_CONSOLE_NAMES says what its members call it"
        )


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class BearerToken:
    """Lets requests through that carry the token; `/health` is open."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or pass the request on."""
        if scope["type"] == "http" and scope["path"] != "/health":
            given = Headers(scope=scope).get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, self._expected):
                answer = JSONResponse(
                    {"error": {"httpCode": 401, "message": "send Authorization: Bearer <token>"}},
                    status_code=401,
                    headers={"WWW-Authenticate": "Bearer"},
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
