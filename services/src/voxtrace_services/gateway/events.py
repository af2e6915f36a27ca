"""The consumer of `events`: a worker says that a job ended, and its row is told."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from voxtrace import stages
from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.messages import JobEvent, decode
from voxtrace_services.core.topology import EVENTS
from voxtrace_services.gateway.jobs import UnknownJobError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voxtrace_services.core.broker import Broker, Delivery, Outgoing
    from voxtrace_services.gateway.jobs import Jobs

_log = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0


class Events:
    """Completes and fails jobs as their events arrive, from one thread."""

    def __init__(self, broker: Broker, jobs: Jobs) -> None:
        self._broker = broker
        self._jobs = jobs
        self._measured = stages.Jobs(jobs.count, age=jobs.oldest)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to consume."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Finish the event in hand and stop."""
        self._stop.set()
        self._thread.join(timeout)

    def handle(self, delivery: Delivery) -> Sequence[Outgoing]:
        """Note one event; nothing follows from it."""
        event = decode(JobEvent, delivery.body)
        try:
            took = self._jobs.finish(event)
        except UnknownJobError as error:
            raise RejectedError("unknown_job", "No job has the id that the event names.") from error
        if took is not None:
            failed = event.outcome == "failed"
            self._measured.finished(
                event.outcome, took.total_seconds(), stage=event.stage if failed else None
            )
        _log.info(
            "job ended", extra={"job_id": event.job_id, "outcome": event.outcome, "reason": event.reason}
        )
        return ()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._broker.consume(EVENTS, self.handle, self._stop)
            except Exception:  # noqa: BLE001  see below: nothing may end this thread
                # Without this thread no job would ever end.
                _log.exception("consumer of events failed; starting it again")
                self._stop.wait(_RESTART_SECONDS)
