"""A client of the workers' profiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voxtrace_services.cli.connection import answering, connect
from voxtrace_services.cli.errors import ProblemError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import httpx

#: A worker renders and keeps the profile before it answers.
_RENDER_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """A profile as a worker gave it."""

    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The report for a terminal."""
        return str(self.body["text"]).strip("\n")

    @property
    def traces(self) -> tuple[str, ...]:
        """The traces of the work that it covers."""
        return tuple(self.body["traces"])

    @property
    def address(self) -> str | None:
        """Where the gateway shows it."""
        address = self.body.get("address")
        return None if address is None else str(address)

    def save(self, file: Path) -> None:
        """Write the page, or with a name that ends in .txt the text."""
        file.write_text(
            self.text + "\n" if file.suffix == ".txt" else str(self.body["html"]), encoding="utf-8"
        )


def take(service: str, url: str, *, seconds: float) -> Report:
    """
    Have a worker profile itself for so long.

    Raises:
        UnreachableError: nobody answers at the address, or no worker of this version.
        ProblemError: the worker refuses.
    """
    with answering(service, url), connect(url) as client:
        answer = client.post("/profile", params={"seconds": seconds}, timeout=seconds + _RENDER_SECONDS)
    body = _json(answer)
    if answer.is_success and "text" in body:
        return Report(body=body)
    if "code" in body:
        raise ProblemError(
            status=answer.status_code, code=body["code"], detail=str(body.get("detail")).rstrip(".")
        )
    raise UnreachableError(f"{url} does not answer like a worker (HTTP {answer.status_code}).")


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
