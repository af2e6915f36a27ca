"""Where a person opens a trace, where that is not the address by which this command reaches the server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from voxtrace_services.cli.backend import Backend
from voxtrace_services.cli.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Server, its page of a trace. The first that answers is the one to open.
_PAGES = {"jaeger": "/trace/", "console": "/api/v3/traces/"}


def public_page(trace_id: str) -> str | None:
    """
    Return the address at which a browser shows a trace; None where the environment tells of none.

    In a container VOXTRACE_JAEGER_URL is how this command reaches Jaeger, and VOXTRACE_JAEGER_PUBLIC_URL how
    its host does; the same for the console.
    """
    for name, public in _public():
        backend = Backend(name=name, url=os.environ.get(f"VOXTRACE_{name.upper()}_URL") or public)
        try:
            backend.document(trace_id)
        except UnreachableError:
            continue
        return f"{public.rstrip('/')}{_PAGES[name]}{trace_id}"
    return None


def _public() -> Iterator[tuple[str, str]]:
    for name in _PAGES:
        if public := os.environ.get(f"VOXTRACE_{name.upper()}_PUBLIC_URL"):
            yield name, public
