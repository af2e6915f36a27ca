"""The gateway as an application: its parts put together, its life, and its health."""

from __future__ import annotations

import contextlib
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from voxtrace.health import Health
from voxtrace_services.core import dependencies
from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.faults import Board, FaultyHealth, Injection
from voxtrace_services.core.rabbitmq import open_broker
from voxtrace_services.gateway import media, problems
from voxtrace_services.gateway.events import Events
from voxtrace_services.gateway.faults import Faults
from voxtrace_services.gateway.jobs import Jobs
from voxtrace_services.gateway.profiles import Profiles
from voxtrace_services.gateway.profiling import ProfiledRoute, Profiling
from voxtrace_services.gateway.relay import Relay
from voxtrace_services.gateway.resources import PATH, Index
from voxtrace_services.gateway.settings import GatewaySettings
from voxtrace_services.gateway.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from voxtrace_services.core.bootstrap import Runtime
    from voxtrace_services.core.broker import Broker

SERVICE = "gateway"
_HEALTH = "/health"
#: What the relay and the consumer have in hand is one message each.
_STOP_SECONDS = 5.0


def create(*, settings: GatewaySettings, jobs: Jobs, store: ArtifactStore, broker: Broker) -> FastAPI:
    """
    Make the application; its relay and its consumer run while it does.

    Args:
        settings: What is offered, and the limits.
        jobs: The job database.
        store: Where uploads are put and results are found.
        broker: Takes the requests and brings the events; it is not closed here.
    """
    board = Board(store) if settings.faults == "on" else None
    faults = Injection.of(SERVICE, store, settings)
    if faults is not None:
        store, broker = faults.store(store), faults.broker(broker)
    relay = Relay(broker, jobs)
    events = Events(broker, jobs)

    @contextlib.asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        relay.start()
        events.start()
        try:
            yield
        finally:
            events.stop(_STOP_SECONDS)
            relay.stop(_STOP_SECONDS)
            if faults is not None:
                faults.close()

    app = FastAPI(
        title="Voxtrace gateway",
        version=version("voxtrace-services"),
        lifespan=life,
        # Their pages load scripts from other people's servers.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    problems.install(app)
    uploads = Uploads(jobs=jobs, store=store, relay=relay, max_audio_seconds=settings.max_audio_seconds)
    app.include_router(uploads.router)
    policy = settings.profiling
    app.include_router(Profiles(store=store, policy=policy).router)
    app.include_router(Faults(board).router)
    app.router.route_class = ProfiledRoute
    app.add_middleware(Profiling, service=SERVICE, store=store, policy=policy)
    checks = {
        "database": jobs.check,
        "broker": relay.check,
        "ffprobe": media.check,
        **dependencies.of(store, settings),
    }
    folder = store.folder or "."
    health = (
        Health(SERVICE, checks, folder=folder)
        if faults is None
        else FaultyHealth(SERVICE, checks, folder=folder, faults=faults)
    )

    def report() -> Response:
        """
        Whether the gateway can take uploads.

        Without the broker it can, and sends them later: that is `degraded`, with status 200,
        so that no balancer takes it out of service. Without anything else it cannot:
        `failing`, with status 503.
        """
        return _answer(health.report())

    def index() -> Index:
        """What there is to ask for."""
        return Index(
            service=SERVICE, version=app.version, openapi="/openapi.json", uploads=PATH, health=_HEALTH
        )

    app.add_api_route("/", index, methods=["GET"])
    app.add_api_route(_HEALTH, report, methods=["GET"])
    return app


def run(runtime: Runtime) -> None:
    """Serve until told to stop; requests in hand are finished first."""
    settings = GatewaySettings()
    jobs = Jobs(settings.database_url)
    store = ArtifactStore(settings.artifacts_url)
    with contextlib.closing(jobs), contextlib.closing(open_broker(settings)) as broker:
        config = uvicorn.Config(
            create(settings=settings, jobs=jobs, store=store, broker=broker),
            host=settings.gateway_host,
            port=settings.gateway_port,
            log_config=None,  # core.logs has set up JSON
            log_level="warning",
            access_log=False,  # the server spans say it better, and without clients' addresses
            server_header=False,
            timeout_graceful_shutdown=round(settings.shutdown_grace_seconds),
        )
        server = _Server(config)
        threading.Thread(target=server.stop_with, args=(runtime.stop,), daemon=True).start()
        server.run()


class _Server(uvicorn.Server):
    """A server that is stopped by the runtime, which has the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def stop_with(self, stop: threading.Event) -> None:
        """Stop when `stop` is set."""
        stop.wait()
        self.should_exit = True


def _answer(report: dict[str, Any]) -> Response:
    failing = {name for name, check in report["checks"].items() if check["status"] != "ok"}
    if failing == {"broker"}:
        report["status"] = "degraded"
    return JSONResponse(report, status_code=503 if failing - {"broker"} else 200)
