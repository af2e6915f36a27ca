"""A load run: a process that sends, what it says written down, and each upload followed to its end."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from voxtrace_services.cli.errors import CommandError, TrafficError
from voxtrace_services.cli.load.ledger import Ledger
from voxtrace_services.cli.load.live import Display
from voxtrace_services.cli.load.report import Report
from voxtrace_services.cli.load.timings import collect
from voxtrace_services.cli.stack import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from voxtrace_services.cli.backend import Backend
    from voxtrace_services.cli.gateway import Gateway
    from voxtrace_services.cli.load.plan import Plan

_TICK_SECONDS = 0.25
#: How often the gateway is asked how the uploads fare: seldom, for each question is a request and a trace.
_POLL_SECONDS = 1.0
#: The gateway lists so many at most; what ended and was overtaken by as many is asked for singly.
_NEWEST, _SINGLY = 100, 20
#: How long requests that were under way may take when the run is interrupted, and the sender to end.
_INTERRUPTED_SECONDS = 5.0
_END_SECONDS = 5.0

_Lines = queue.SimpleQueue[dict[str, Any] | None]


@dataclass(kw_only=True)
class Run:
    """
    Sends what a plan says and finds out what became of it.

    Attributes:
        plan: what to send.
        gateway: who is asked how the uploads fare.
        backends: who is asked for the traces.
        progress: where it is shown how the run goes.
        settle_seconds: how long to wait for uploads that have not ended when all is sent.
        trace_seconds: how long to wait for spans after that.
    """

    plan: Plan
    gateway: Gateway
    backends: Sequence[Backend]
    progress: Console
    settle_seconds: float
    trace_seconds: float
    ledger: Ledger = field(default_factory=Ledger)

    def report(self) -> Report:
        """
        Do it all; interrupted, stop sending and say what is known.

        Raises:
            TrafficError: the process that sends has failed.
        """
        with Display(self.progress, self.ledger) as display, interruptible(signal.SIGTERM):
            interrupted = self._send(display)
            if not interrupted:
                display.doing = "waiting for the last"
                interrupted = self._settle(display)
            display.doing = "reading traces"

            def tell(whole: int, asked: int) -> None:
                display.doing = f"reading traces ({whole} of {asked} are whole)"
                display.tick()

            timings = collect(
                self.backends,
                [entry.trace_id for entry in self.ledger.accepted if entry.trace_id is not None],
                seconds=0.0 if interrupted else self.trace_seconds,
                tell=tell,
            )
        return Report(plan=self.plan, ledger=self.ledger, timings=timings, interrupted=interrupted)

    def _send(self, display: Display) -> bool:
        """Send everything, and return whether that was interrupted."""
        with _traffic(self.plan) as (stop, lines):
            try:
                self._listen(lines, display)
            except KeyboardInterrupt:
                display.doing = "stopping"
                stop()
                self._listen(lines, display, seconds=_INTERRUPTED_SECONDS)
                return True
        return False

    def _listen(self, lines: _Lines, display: Display, *, seconds: float = float("inf")) -> None:
        """Write down what is said until there is no more, and look after the uploads meanwhile."""
        deadline = time.monotonic() + seconds
        next_poll = time.monotonic() + _POLL_SECONDS
        while time.monotonic() < deadline:
            try:
                line = lines.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                pass
            else:
                if line is None:
                    return
                self.ledger.read(line)
            if time.monotonic() >= next_poll:
                self._poll()
                next_poll = time.monotonic() + _POLL_SECONDS
            display.tick()

    def _settle(self, display: Display) -> bool:
        """Wait for the uploads that have not ended, and return whether that was interrupted."""
        deadline = time.monotonic() + self.settle_seconds
        try:
            while True:
                self._poll()
                if not self.ledger.unfinished() or time.monotonic() > deadline:
                    return False
                display.tick()
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            return True

    def _poll(self) -> None:
        """Ask how the uploads fare, in one question where that will do; one without answer is asked again."""
        unfinished = self.ledger.unfinished()
        if not unfinished:
            return
        try:
            newest = {upload.upload_id: upload for upload in self.gateway.recent(_NEWEST)}
            for upload_id in unfinished:
                # The list does not say why one has failed.
                if upload_id in newest and newest[upload_id].state == "completed":
                    self.ledger.end(newest[upload_id], at=time.time())
            overtaken = [one for one in unfinished if one not in newest][:_SINGLY]
            failed = [one for one in unfinished if one in newest and newest[one].state == "failed"]
            for upload_id in (*failed, *overtaken):
                self.ledger.end(self.gateway.upload(upload_id), at=time.time())
        except CommandError:
            # It may be as busy as we want it, or away: what has not ended at the end says so.
            return


@contextmanager
def _traffic(plan: Plan) -> Iterator[tuple[Callable[[], None], _Lines]]:
    """Have the process that sends for the block; yields how to stop it, and what it says, None at its end."""
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            [sys.executable, "-m", "voxtrace_services.cli.load.traffic"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            # Ctrl-C is ours to act on; the sender ends when its input does, so with us too.
            start_new_session=True,
        ) as sender,
    ):
        given, told = sender.stdin, sender.stdout
        assert given is not None  # noqa: S101  a pipe, see above; narrows the type
        assert told is not None  # noqa: S101  the same
        lines: _Lines = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(told, lines), daemon=True)
        reader.start()

        def stop() -> None:
            with suppress(BrokenPipeError):
                given.close()

        try:
            # Gone before it was told anything: its status and words say why.
            with suppress(BrokenPipeError):
                given.write(plan.to_json().encode() + b"\n")
                given.flush()
            yield stop, lines
            stop()
            with suppress(subprocess.TimeoutExpired):
                sender.wait(_END_SECONDS)
        finally:
            status = sender.poll()
            sender.kill()
            sender.wait()
            reader.join()
        if status:
            words.seek(0)
            said = words.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise TrafficError(f"The process that sends ended with status {status}: {said[-1]}")


def _read(source: IO[bytes], lines: _Lines) -> None:
    for line in source:
        # Cut off in the middle of a word, where it was killed.
        if line.endswith(b"\n"):
            lines.put(json.loads(line))
    lines.put(None)
