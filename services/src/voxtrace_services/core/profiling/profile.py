"""A profile as it is read: text for a terminal, a page for a browser, kept beside the artifacts."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinstrument.renderers import ConsoleRenderer, HTMLRenderer

if TYPE_CHECKING:
    from voxtrace_services.core.artifacts import ArtifactStore
    from voxtrace_services.core.profiling.recording import Recording

#: Where the gateway shows profiles, of all services.
PROFILES = "/v1/profiles"

_SHOWN_TRACES = 20
_ID = re.compile(r"[0-9a-f]{16}")


def new_id() -> str:
    """An id that nobody guesses."""
    return secrets.token_hex(8)


def address(profile_id: str) -> str:
    """Where the gateway shows a profile."""
    return f"{PROFILES}/{profile_id}"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a process did for some seconds, function by function."""

    id: str
    service: str
    seconds: float
    samples: int
    traces: tuple[str, ...]
    text: str
    html: str

    @property
    def address(self) -> str:
        """Where the gateway shows it."""
        return address(self.id)

    @classmethod
    def of(
        cls, recording: Recording, *, profile_id: str, service: str, traces: tuple[str, ...] = ()
    ) -> Profile:
        """Render a recording."""
        session = recording.session()
        if traces:
            session.target_description += f"; trace {', '.join(traces[:_SHOWN_TRACES])}"
        return cls(
            id=profile_id,
            service=service,
            seconds=round(session.duration, 3),
            samples=recording.samples,
            traces=traces,
            text=ConsoleRenderer(unicode=True, color=False).render(session),
            html=HTMLRenderer().render(session),
        )

    def keep(self, store: ArtifactStore) -> None:
        """Put the page where `kept` finds it, from whichever service."""
        store.write(_name(self.id), self.html.encode())


def kept(store: ArtifactStore, profile_id: str) -> bytes | None:
    """The page of a profile; None where there is no such profile."""
    name = _name(profile_id)
    if not _ID.fullmatch(profile_id) or not store.exists(name):
        return None
    return store.read(name)


def _name(profile_id: str) -> str:
    return f"profile-{profile_id}/report.html"
