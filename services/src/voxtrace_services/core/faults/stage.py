"""A stage whose engine is slow or fails, that forgets, and that sends what nobody can read."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from voxtrace_services.core.engines import EngineError, aimed
from voxtrace_services.core.messages import Message

if TYPE_CHECKING:
    from voxtrace_services.core.artifacts import ArtifactStore
    from voxtrace_services.core.broker import Outgoing
    from voxtrace_services.core.faults.catalogue import Fault
    from voxtrace_services.core.faults.injection import Injection
    from voxtrace_services.core.worker import Stage

Request = TypeVar("Request", bound=Message)

#: Begins like a message of ours and breaks off.
_POISON = b'{"version": 1, "job_id": '


@runtime_checkable
class Forgetful(Protocol):
    """A stage that keeps something from earlier work."""

    def forget(self) -> None:
        """Drop it."""
        ...


class FaultyStage(Generic[Request]):
    """A stage under faults."""

    def __init__(self, stage: Stage[Request], faults: Injection) -> None:
        self._stage = stage
        self._faults = faults
        self.queue = stage.queue
        self.request = stage.request
        self.result = stage.result

    def work(self, request: Request, store: ArtifactStore) -> bytes:
        """Run the engine, which is struck once, in the midst of its work."""
        if isinstance(self._stage, Forgetful) and self._faults.struck("cold-cache"):
            self._stage.forget()
        slow, failing = self._faults.struck("slow-engine"), self._faults.struck("failing-engine")
        if slow is None and failing is None:
            return self._stage.work(request, store)
        with aimed(_Blow(slow=slow, failing=failing)):
            return self._stage.work(request, store)

    def follow(self, request: Request, result: bytes) -> Outgoing:
        """The message to send, perhaps poison."""
        message = self._stage.follow(request, result)
        return replace(message, body=_POISON) if self._faults.struck("poison-message") else message


@dataclass
class _Blow:
    """What an engine suffers: once for each piece of work, however often it passes the point."""

    slow: Fault | None
    failing: Fault | None
    done: bool = False

    def __call__(self) -> None:
        if self.done:
            return
        self.done = True
        if self.slow is not None:
            time.sleep(self.slow.seconds)
        if self.failing is not None:
            raise EngineError("a drill: the fault failing-engine is on")
