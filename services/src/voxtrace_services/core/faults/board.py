"""The list of the faults that are on: one small document beside the artifacts, which every service reads."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from voxtrace_services.core.artifacts import ArtifactMissingError
from voxtrace_services.core.faults.catalogue import CATALOGUE, Fault, Name, Service, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace_services.core.artifacts import ArtifactStore

#: No job has this id: those are UUIDs.
DOCUMENT = "faults/on.json"

_faults = TypeAdapter(tuple[Fault, ...])


class UnknownFaultError(Exception):
    """There is no such fault, or not for this service; the message says what there is."""


class Board:
    """Reads and writes the list; of two gateways that write at once the later wins."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._writing = Lock()

    def read(self) -> tuple[Fault, ...]:
        """
        Give the faults that are on, without those whose time is up.

        Raises:
            ArtifactStoreUnavailableError: There is no telling.
        """
        try:
            found = _faults.validate_json(self._store.read(DOCUMENT))
        except (ArtifactMissingError, ValidationError):
            # Of another version, or written by hand: whoever switches the next one on mends it.
            return ()
        return tuple(fault for fault in found if not fault.over)

    def switch_on(self, name: Name, wish: Wish) -> Fault:
        """
        Switch a fault on, or on anew with other numbers.

        Raises:
            UnknownFaultError: It cannot befall that service.
        """
        able = CATALOGUE[name].services
        if wish.service is not None and wish.service not in able:
            raise UnknownFaultError(f"{name} can befall {_listed(able)}, and not {wish.service}")
        fault = Fault(
            name=name,
            service=wish.service,
            share=wish.share,
            seconds=wish.seconds,
            megabytes=wish.megabytes,
            limit_megabytes=wish.limit_megabytes,
            until=datetime.now(UTC) + timedelta(minutes=wish.minutes),
        )
        with self._changing() as others:
            others[:] = [*(one for one in others if one.name != name or one.service != wish.service), fault]
        return fault

    def switch_off(self, name: Name | None = None, service: Service | None = None) -> None:
        """Switch a fault off, for one service or for all that have it; without a name every fault."""
        with self._changing() as others:
            others[:] = [
                one
                for one in others
                if not (name in {None, one.name} and (service is None or one.service == service))
            ]

    @contextmanager
    def _changing(self) -> Iterator[list[Fault]]:
        with self._writing:
            faults = list(self.read())
            yield faults
            self._store.write(DOCUMENT, _faults.dump_json(tuple(faults)))


def _listed(services: tuple[Service, ...]) -> str:
    return ", ".join(services)
