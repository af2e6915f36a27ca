"""The console as a process: opens the database, serves, and leaves nothing unwritten."""

import logging
import socket
import threading
import time

import uvicorn

from voxtrace_services.console.access import ConsoleSettings, require_safe_bind
from voxtrace_services.console.app import create_app
from voxtrace_services.console.errors import AddressError, ConsoleError
from voxtrace_services.console.retention import Retention
from voxtrace_services.console.store import Store
from voxtrace_services.console.writer import Writer
from voxtrace_services.core.bootstrap import Runtime

_log = logging.getLogger(__name__)

_UPKEEP_SECONDS = 60.0
#: More requests than this at once are turned away with 503, which senders retry.
_MAX_REQUESTS = 64
_IDLE_SECONDS = 5
_WATCH_SECONDS = 0.5


def serve(runtime: Runtime) -> None:
    """Run the console until it is told to stop, then finish requests and write what is left."""
    settings = ConsoleSettings()
    token = settings.console_token.get_secret_value() if settings.console_token else None
    try:
        require_safe_bind(settings.console_host, token, settings.console_names)
        with _listen(settings.console_host, settings.console_port) as listener:
            store = Store(settings.console_database)
            _serve(runtime, settings, listener, store, token)
    except ConsoleError as error:
        # The message says what to do: a traceback would only hide it.
        _log.error("%s", error)
        raise SystemExit(1) from None


def _serve(
    runtime: Runtime, settings: ConsoleSettings, listener: socket.socket, store: Store, token: str | None
) -> None:
    retention = Retention(
        store,
        hours=settings.console_retention_hours,
        max_bytes=settings.console_retention_bytes,
        clock=time.time_ns,
    )
    writer = Writer(store, upkeep=retention.run, upkeep_seconds=_UPKEEP_SECONDS)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(store, writer, token=token, names=settings.console_names),
            access_log=False,
            log_config=None,
            log_level="warning",
            limit_concurrency=_MAX_REQUESTS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=max(int(settings.shutdown_grace_seconds / 2), 1),
        )
    )
    writer.start()
    # In a thread of its own, uvicorn leaves the signals to the bootstrap.
    serving = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="console-http", daemon=True
    )
    serving.start()
    _log.info("console listens", extra={"address": "http://{}:{}".format(*listener.getsockname())})
    try:
        while serving.is_alive() and not runtime.stop.wait(_WATCH_SECONDS):
            pass
        broken = not runtime.stop.is_set()
        server.should_exit = True
        serving.join()
    finally:
        if not writer.close(settings.shutdown_grace_seconds / 2):
            _log.error("the console stopped before everything was written")
        store.close()
    if broken:
        raise RuntimeError("the console's HTTP server ended by itself; the log above says why")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise AddressError(
            f"the console cannot listen on {host}:{port}: {error.strerror or error}; "
            "stop what listens there, or set VOXTRACE_CONSOLE_PORT to a free port"
        ) from error
