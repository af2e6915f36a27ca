"""
The relay: the only publisher of transcribe requests.

A handler commits the job's row and wakes the relay; the relay sends what is unsent and
notes it as sent. So there is one path for the usual case, for a broker that was away and
for a gateway that died in between, and each is sent in the trace of its own upload.
A crash between sending and noting sends a request twice: the workers allow for that.
"""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING

import voxtrace.context
from voxtrace.errors import HealthCheckError
from voxtrace_services.core.broker import BrokerError
from voxtrace_services.core.messages import TranscribeRequest
from voxtrace_services.core.results import AUDIO, artifact
from voxtrace_services.core.topology import TRANSCRIBE

if TYPE_CHECKING:
    from voxtrace_services.core.broker import Broker
    from voxtrace_services.gateway.jobs import Job, Jobs

_log = logging.getLogger(__name__)

_BATCH = 100
#: How often to look without being woken: another gateway on the same database may have died.
_IDLE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.25
#: Short, for it is added to the wait of every upload that a broker's absence holds up.
_LONGEST_PAUSE_SECONDS = 4.0


class Relay:
    """Sends the transcribe request of every job that was committed, sooner or later, from one thread."""

    def __init__(self, broker: Broker, jobs: Jobs) -> None:
        self._broker = broker
        self._jobs = jobs
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Begin to send, first what an earlier process left unsent."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a job was committed."""
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """Finish the message being sent and stop; what is left is sent by the next process."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout)

    def check(self) -> None:
        """Raise unless the broker can be reached and took what was last sent (for health checks)."""
        if self._failures:
            raise HealthCheckError(
                f"{self._failures} attempts to send failed: uploads are kept and sent later"
            )
        self._broker.check()

    def send_unsent(self) -> int:
        """Send what is unsent now, oldest first; how many there were. Raises what the broker raises."""
        sent = 0
        while not self._stop.is_set() and (jobs := self._jobs.unsent(_BATCH)):
            for job in jobs:
                self._send(job)
                sent += 1
                if self._stop.is_set():
                    break
        return sent

    def _send(self, job: Job) -> None:
        request = TranscribeRequest(
            job_id=job.id,
            audio=artifact(job.id, AUDIO),
            target_language=job.target_language,
            voice=job.voice,
        )
        with voxtrace.context.attached(job.context):
            self._broker.publish(request.outgoing(TRANSCRIBE))
        self._jobs.mark_sent(job.id)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                sent = self.send_unsent()
            except Exception as error:  # noqa: BLE001  the only publisher must outlive whatever happens here
                self._report(error)
                pause = _pause(self._failures)
                self._failures += 1
                self._stop.wait(pause)
                continue
            if self._failures:
                _log.info("relay sends again", extra={"sent": sent, "failures": self._failures})
                self._failures = 0
            self._wake.wait(_IDLE_SECONDS)

    def _report(self, error: Exception) -> None:
        if not isinstance(error, BrokerError):
            _log.error("relay failed", exc_info=error)
        elif not self._failures:
            # Once: the health check tells for how long.
            _log.warning("relay cannot send; uploads wait", extra={"error_type": type(error).__name__})


def _pause(failures: int) -> float:
    """How long to wait after so many failures: doubled each time, with jitter, within bounds."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(failures, 8))
    return random.uniform(longest / 2, longest)  # noqa: S311  jitter, not a secret
