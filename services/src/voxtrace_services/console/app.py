"""The console as a web application."""

import time
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from voxtrace.health import Health
from voxtrace_services.console import api, ingest
from voxtrace_services.console.access import LOOPBACK_NAMES, BearerToken
from voxtrace_services.console.errors import BadQueryError
from voxtrace_services.console.query import Query
from voxtrace_services.console.store import Store
from voxtrace_services.console.writer import Writer


def create_app(
    store: Store,
    writer: Writer,
    *,
    token: str | None = None,
    names: tuple[str, ...] = (),
    clock: Callable[[], int] = time.time_ns,
    max_body_bytes: int = ingest.MAX_BODY_BYTES,
) -> FastAPI:
    """
    Return the application over a store and a running writer; both stay the caller's to close.

    Args:
        store: Where reads go.
        writer: Where what is received goes.
        token: What every request must carry; without one, only requests to this machine's own names pass.
        names: What it is called by others than this machine, who then need no token.
        clock: Nanoseconds since the epoch.
        max_body_bytes: How large an OTLP body may be, as sent and as unpacked.
    """
    app = FastAPI(title="Voxtrace console", openapi_url=None)
    if token is None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES, *names], www_redirect=False)
    else:
        app.add_middleware(BearerToken, token=token)
    app.include_router(ingest.routes(writer, clock, max_body_bytes=max_body_bytes))
    app.include_router(api.routes(Query(store), clock))
    health = Health("console", {"database": writer.check})

    @app.get("/health")
    def report() -> JSONResponse:
        found = health.report()
        return JSONResponse(found, status_code=200 if found["status"] == "ok" else 503)

    @app.exception_handler(BadQueryError)
    async def bad_query(_request: Request, error: BadQueryError) -> JSONResponse:
        return api.problem(400, str(error))

    return app
