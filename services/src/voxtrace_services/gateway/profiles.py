"""The routes under /v1/profiles: what the services found when they profiled themselves."""

from fastapi import APIRouter, Request, Response

from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.profiling import Policy, refusal
from voxtrace_services.core.profiling.profile import PROFILES, kept
from voxtrace_services.gateway import problems
from voxtrace_services.gateway.problems import ProblemError

_HEADERS = {
    "Cache-Control": "no-store",
    # The page brings its script and style along; it has no need to talk to anybody.
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


class Profiles:
    """The profiles of all services as a resource, for those who may take one."""

    def __init__(self, *, store: ArtifactStore, policy: Policy) -> None:
        self._store = store
        self._policy = policy

    @property
    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PROFILES, tags=["profiles"])
        router.add_api_route("/{profile_id}", self.profile, methods=["GET"])
        return router

    def profile(self, profile_id: str, request: Request) -> Response:
        """A profile, as a page."""
        peer = None if request.client is None else request.client.host
        if (reason := refusal(self._policy, peer, request.headers)) is not None:
            raise ProblemError(problems.PROFILING_FORBIDDEN, reason)
        page = kept(self._store, profile_id)
        if page is None:
            detail = "Use the address that an X-Profile header, a span or the command voxtrace profile gave."
            raise ProblemError(problems.UNKNOWN_PROFILE, detail)
        return Response(page, media_type="text/html", headers=_HEADERS)
