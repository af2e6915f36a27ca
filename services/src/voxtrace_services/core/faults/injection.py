"""What a service does about the faults that are on: it knows them within a second, says so, and has them."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Self

from voxtrace import fault as mark
from voxtrace_services.core.artifacts import ArtifactStoreUnavailableError
from voxtrace_services.core.faults.board import Board
from voxtrace_services.core.faults.burden import Burdens
from voxtrace_services.core.faults.catalogue import SETTING
from voxtrace_services.core.faults.consumer import FaultyBroker
from voxtrace_services.core.faults.disk import FaultyStore
from voxtrace_services.core.faults.stage import FaultyStage

if TYPE_CHECKING:
    from voxtrace_services.core.artifacts import ArtifactStore
    from voxtrace_services.core.broker import Broker
    from voxtrace_services.core.faults.catalogue import Fault, Name
    from voxtrace_services.core.faults.stage import Request
    from voxtrace_services.core.settings import Settings
    from voxtrace_services.core.worker import Stage

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class Injection:
    """The faults of one service; close it, or use it as a context manager."""

    def __init__(self, service: str, store: ArtifactStore, *, look_seconds: float = _LOOK_SECONDS) -> None:
        """
        Begin to look which faults are on.

        Args:
            service: Whose faults these are.
            store: Where the list of faults is.
            look_seconds: How often to look besides at each message.
        """
        self._service = service
        self._board = Board(store)
        self._seconds = look_seconds
        self._on: dict[Name, Fault] = {}
        self._looking = threading.Lock()
        self._burdens = Burdens()
        self._stop = threading.Event()
        _log.warning("faults can be switched on here", extra={"setting": SETTING})
        self.look()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, service: str, store: ArtifactStore, settings: Settings) -> Self | None:
        """The faults of a service whose settings allow any; else None, and nothing is ever looked at."""
        return cls(service, store) if settings.faults == "on" else None

    def on(self, name: Name) -> Fault | None:
        """The fault of that name, if this service has it now."""
        fault = self._on.get(name)
        return None if fault is None or fault.over else fault

    def struck(self, name: Name) -> Fault | None:
        """The fault of that name, if this piece of work has it: then the span at hand says so."""
        fault = self.on(name)
        if fault is None or random.random() >= fault.share:  # noqa: S311  chance, not a secret
            return None
        mark.note(name)
        _log.warning("fault", extra={"fault": name})
        return fault

    def all(self) -> list[Fault]:
        """Every fault that this service has now."""
        return [fault for fault in self._on.values() if not fault.over]

    def look(self) -> None:
        """Look which faults are on; while there is no telling, it is as it was."""
        with self._looking:
            try:
                found = {one.name: one for one in self._board.read() if one.befalls(self._service)}
            except ArtifactStoreUnavailableError:
                found = {one.name: one for one in self.all()}
            before, self._on = self._on, found
            self._burdens.bear(found)
        for name in found.keys() - before.keys():
            _log.warning("fault on", extra={"fault": name, **_numbers(found[name])})
        for name in before.keys() - found.keys():
            _log.warning("fault off", extra={"fault": name})

    def stage(self, stage: Stage[Request]) -> Stage[Request]:
        """The stage, as it works under faults."""
        return FaultyStage(stage, self)

    def store(self, store: ArtifactStore) -> ArtifactStore:
        """The store, as it is under faults."""
        return FaultyStore(store, self)

    def broker(self, broker: Broker) -> Broker:
        """The broker, as it is consumed from under faults."""
        return FaultyBroker(broker, self)

    def close(self) -> None:
        """Stop looking, and let go of what a fault holds."""
        self._stop.set()
        self._thread.join()
        self._burdens.bear({})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.look()
            except Exception:  # noqa: BLE001  a drill must not end with its watcher
                _log.exception("cannot look for faults")


def _numbers(fault: Fault) -> dict[str, object]:
    return {key: value for key, value in fault.told().items() if key not in {"name", "service"}}
