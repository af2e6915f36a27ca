"""`POST /profile?seconds=10` on a worker's health port: the worker watches itself for so long."""

from __future__ import annotations

import logging
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

from voxtrace.health import Answer, Request
from voxtrace_services.core.artifacts import ArtifactError
from voxtrace_services.core.profiling.admission import Policy, Turn, refusal
from voxtrace_services.core.profiling.profile import Profile, address, new_id
from voxtrace_services.core.profiling.sampler import LONGEST_SECONDS, Sampler

if TYPE_CHECKING:
    from voxtrace.profile import Subject
    from voxtrace_services.core.artifacts import ArtifactStore

_log = logging.getLogger(__name__)

PROFILE = "/profile"
_DEFAULT_SECONDS = "10"


class ProfileAction:
    """Answers with the profile, and links it from the traces that it covers."""

    def __init__(self, service: str, sampler: Sampler, store: ArtifactStore, policy: Policy) -> None:
        self._service = service
        self._sampler = sampler
        self._store = store
        self._policy = policy
        self._turn = Turn()

    def __call__(self, request: Request) -> Answer:
        """Profile the work of the next seconds, or say why not."""
        if (reason := refusal(self._policy, request.peer, request.headers)) is not None:
            return _refused(HTTPStatus.FORBIDDEN, "profiling_forbidden", reason)
        seconds = _seconds(request.query.get("seconds", _DEFAULT_SECONDS))
        if seconds is None:
            detail = f"seconds must be a number above 0 and up to {LONGEST_SECONDS:g}."
            return _refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_seconds", detail)
        with self._turn.taken() as free:
            if not free:
                detail = "Another profile is being taken; ask again when it is done."
                return _refused(HTTPStatus.CONFLICT, "profiling_busy", detail)
            profile = self._profile(seconds)
        return Answer(
            {
                "id": profile.id,
                "service": profile.service,
                "seconds": profile.seconds,
                "samples": profile.samples,
                "traces": list(profile.traces),
                "address": profile.address if self._kept(profile) else None,
                "text": profile.text,
                "html": profile.html,
            }
        )

    def _profile(self, seconds: float) -> Profile:
        profile_id = new_id()
        traces: list[str] = []

        def seen(subject: Subject) -> None:
            subject.link(address(profile_id))
            if subject.trace_id is not None and subject.trace_id not in traces:
                traces.append(subject.trace_id)

        recording = self._sampler.record(
            f"{self._service}, {seconds:g} s on demand", threading.Event(), seconds=seconds, seen=seen
        )
        return Profile.of(recording, profile_id=profile_id, service=self._service, traces=tuple(traces))

    def _kept(self, profile: Profile) -> bool:
        try:
            profile.keep(self._store)
        except ArtifactError as error:
            _log.warning("profile not kept", extra={"error_type": type(error).__name__})
            return False
        _log.info("profiled", extra={"profile": profile.id, "samples": profile.samples})
        return True


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds <= LONGEST_SECONDS else None


def _refused(status: HTTPStatus, code: str, detail: str) -> Answer:
    return Answer({"code": code, "detail": detail}, status)
