"""A worker: one stage between two queues, idempotent because its result is one artifact."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from voxtrace import health
from voxtrace_services.core import dependencies
from voxtrace_services.core.artifacts import ArtifactMissingError, ArtifactStore
from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.faults import FaultyHealth, Injection
from voxtrace_services.core.messages import Message, decode
from voxtrace_services.core.profiling import PROFILE, ProfileAction, Sampler
from voxtrace_services.core.rabbitmq import open_broker
from voxtrace_services.core.results import artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from voxtrace_services.core.bootstrap import Runtime
    from voxtrace_services.core.broker import Broker, Delivery, Handler, Outgoing
    from voxtrace_services.core.settings import Settings

_log = logging.getLogger(__name__)

Request = TypeVar("Request", bound=Message)
Content = TypeVar("Content", bound=BaseModel)


class Stage(Protocol[Request]):
    """One step of the pipeline: what it takes, what it leaves, what comes next."""

    @property
    def queue(self) -> str:
        """The queue it feeds on."""
        ...

    @property
    def request(self) -> type[Request]:
        """The message it takes."""
        ...

    @property
    def result(self) -> str:
        """The leaf name of the artifact it leaves."""
        ...

    def work(self, request: Request, store: ArtifactStore) -> bytes:
        """Run the engine; the content of the artifact."""
        ...

    def follow(self, request: Request, result: bytes) -> Outgoing:
        """The message to send once the artifact is there."""
        ...


def handler(stage: Stage[Request], store: ArtifactStore) -> Handler:
    """The handler that runs `stage`: a job whose artifact is there already skips the engine."""

    def handle(delivery: Delivery) -> Sequence[Outgoing]:
        request = decode(stage.request, delivery.body)
        name = artifact(request.job_id, stage.result)
        started = time.monotonic()
        found = store.exists(name)
        try:
            result = store.read(name) if found else stage.work(request, store)
        except ArtifactMissingError as error:
            raise RejectedError(
                "artifact_missing", "the input of this stage is gone: upload again"
            ) from error
        if not found:
            store.write(name, result)
        _log.info(
            "already done" if found else "done",
            extra={
                "job_id": request.job_id,
                "queue": stage.queue,
                "attempt": delivery.attempt,
                "seconds": round(time.monotonic() - started, 3),
            },
        )
        return [stage.follow(request, result)]

    return handle


def content(kind: type[Content], store: ArtifactStore, name: str) -> Content:
    """
    Read an earlier stage's artifact.

    Raises:
        RejectedError: `artifact_invalid` if it is not one.
    """
    try:
        return kind.model_validate_json(store.read(name))
    except ValidationError:
        raise RejectedError("artifact_invalid", f"the {kind.__name__.lower()} cannot be read") from None


def serve(runtime: Runtime, load: Callable[[Settings], Stage[Request]]) -> None:
    """
    Load a stage and run it until told to stop; /health and /profile answer meanwhile if it has a port.

    Args:
        runtime: What to run with.
        load: Makes the stage, its engine loaded: nothing is consumed before that.
    """
    settings = runtime.settings
    store = ArtifactStore(settings.artifacts_url)
    broker: Broker = open_broker(settings)
    faults = Injection.of(runtime.service, store, settings)
    loaded = threading.Event()

    sampler = Sampler()
    with ExitStack() as cleanup:
        cleanup.callback(broker.close)
        if faults is not None:
            cleanup.callback(faults.close)
            store, broker = faults.store(store), faults.broker(broker)
        if settings.health_port:
            checks = {
                "broker": broker.check,
                "engine": health.model(loaded.is_set),
                **dependencies.of(store, settings),
            }
            folder = store.folder or "."
            server = health.serve(
                health.Health(runtime.service, checks, folder=folder)
                if faults is None
                else FaultyHealth(runtime.service, checks, folder=folder, faults=faults),
                host=settings.health_host,
                port=settings.health_port,
                actions={PROFILE: ProfileAction(runtime.service, sampler, store, settings.profiling)},
            )
            cleanup.callback(server.close)
        stage = load(settings)
        if faults is not None:
            stage = faults.stage(stage)
        loaded.set()
        broker.consume(stage.queue, sampler.covered(handler(stage, store)), runtime.stop)
