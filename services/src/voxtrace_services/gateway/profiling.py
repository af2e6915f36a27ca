"""`?profile=true` on any route: the request is answered as ever, and its profile is kept and linked."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import threading
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders, QueryParams

from voxtrace.profile import Subject
from voxtrace_services.core.profiling import Policy, Profile, Sampler, Turn, refusal
from voxtrace_services.core.profiling.profile import new_id
from voxtrace_services.gateway import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from voxtrace_services.core.artifacts import ArtifactStore
    from voxtrace_services.core.profiling.recording import Recording

_log = logging.getLogger(__name__)

#: The header of a profiled answer: where the profile is.
HEADER = "X-Profile"
_YES = ("true", "1")
# The body of a refused request is not read.
_CLOSE = {"Connection": "close"}

_sampler: contextvars.ContextVar[Sampler | None] = contextvars.ContextVar("profiling", default=None)


class Profiling:
    """Middleware: profiles requests that ask for it, one at a time, of those who may."""

    def __init__(self, app: ASGIApp, *, service: str, store: ArtifactStore, policy: Policy) -> None:
        self._app = app
        self._service = service
        self._store = store
        self._policy = policy
        self._turn = Turn()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, profiled if it asks for that, or refuse it."""
        if scope["type"] != "http" or not _asked(scope):
            await self._app(scope, receive, send)
            return
        peer = (scope.get("client") or (None,))[0]
        if (reason := refusal(self._policy, peer, Headers(scope=scope))) is not None:
            refused = problems.response(problems.PROFILING_FORBIDDEN, reason, headers=_CLOSE)
            await refused(scope, receive, send)
            return
        with self._turn.taken() as free:
            if not free:
                detail = "Ask again when the request that is being profiled has been answered."
                headers = {**_CLOSE, **problems.RETRY}
                busy = problems.response(problems.PROFILING_BUSY, detail, headers=headers)
                await busy(scope, receive, send)
                return
            await self._profiled(scope, receive, send)

    async def _profiled(self, scope: Scope, receive: Receive, send: Send) -> None:
        sampler, stop = Sampler(), threading.Event()
        title = f"{scope['method']} {scope['path']}"
        recording = asyncio.create_task(asyncio.to_thread(sampler.record, title, stop))

        async def answer(message: Message) -> None:
            # The work is done when the answer begins; the address must be good when the client has it.
            if message["type"] == "http.response.start" and not stop.is_set():
                stop.set()
                if (path := await self._kept(recording)) is not None:
                    MutableHeaders(scope=message)[HEADER] = path
            await send(message)

        token = _sampler.set(sampler)
        try:
            with sampler.covering_task():
                await self._app(scope, receive, answer)
        finally:
            _sampler.reset(token)
            stop.set()

    async def _kept(self, recording: asyncio.Task[Recording]) -> str | None:
        """Where the profile is; None if it could not be made, which does not matter to the request."""
        subject = Subject.current()
        try:
            path = await asyncio.to_thread(self._keep, await recording, subject.trace_id)
        except Exception:  # noqa: BLE001  whatever it is, the request is answered all the same
            _log.exception("no profile of the request")
            return None
        subject.link(path)
        return path

    def _keep(self, recording: Recording, trace_id: str | None) -> str:
        traces = () if trace_id is None else (trace_id,)
        profile = Profile.of(recording, profile_id=new_id(), service=self._service, traces=traces)
        profile.keep(self._store)
        return profile.address


class ProfiledRoute(APIRoute):
    """A route whose handler, which runs in a thread, can be sampled there."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _covered(endpoint), **options)


def _covered(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(endpoint) or hasattr(endpoint, "__wrapped__"):
        return endpoint

    @functools.wraps(endpoint)
    def call(*arguments: Any, **options: Any) -> Any:
        sampler = _sampler.get()
        covered = endpoint if sampler is None else sampler.covered(endpoint)
        return covered(*arguments, **options)

    return call


def _asked(scope: Scope) -> bool:
    return QueryParams(scope["query_string"]).get("profile", "").lower() in _YES
