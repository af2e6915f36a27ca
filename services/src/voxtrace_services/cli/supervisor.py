"""
A stack that outlives the command that started it: one detached process holds it until it is told to end.

`python -m voxtrace_services.cli.supervisor DATA_DIR [--full]` is that process;
`start` and `stop` are for the commands.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from voxtrace_services.cli.errors import CommandError, StackError
from voxtrace_services.cli.record import ProcessRecord, Record, exclusive
from voxtrace_services.cli.stack import held, interruptible
from voxtrace_services.native.errors import NativeError

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 0.1
_STOP_SECONDS = 120.0
_TAIL_LINES = 15


def start(data_dir: Path, *, full: bool, on_progress: Callable[[Record], None]) -> Record:
    """
    Start a detached stack and wait until it is ready.

    Interrupted, it takes the stack down again.

    Args:
        data_dir: where the stack keeps its data, log and record.
        full: with Collector, Jaeger and Prometheus.
        on_progress: told how far the stack is, again and again.

    Raises:
        StackError: when it does not become ready, with the reason.
    """
    log = data_dir / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    Record.remove(data_dir)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", __name__, str(data_dir), *(["--full"] if full else [])],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Its own session: neither our Ctrl-C nor the terminal's end reaches it.
            start_new_session=True,
        )
    try:
        return _await_ready(child, data_dir, log=log, on_progress=on_progress)
    except BaseException:
        child.terminate()
        child.wait()
        Record.remove(data_dir)
        raise


def stop(data_dir: Path) -> bool:
    """
    End the stack that `start` left running, and whatever a killed supervisor left behind.

    Returns:
        Whether there was anything to end.

    Raises:
        StackError: when a process does not end.
    """
    record = Record.read(data_dir)
    if record is None:
        return False
    found = record.alive or any(process.alive for process in record.processes)
    if record.alive:
        psutil.Process(record.holder.pid).send_signal(signal.SIGTERM)
        _await_end(record.holder, data_dir)
    # Where the kernel does not end children with their parent, a killed supervisor leaves them.
    for process in reversed(record.processes):
        if process.alive:
            psutil.Process(process.pid).terminate()
            _await_end(process, data_dir)
    Record.remove(data_dir)
    return found


def hold(data_dir: Path, *, full: bool) -> int:
    """Hold a stack until SIGTERM or SIGINT; the exit code of the process that does nothing else."""
    record = Record(holder=ProcessRecord.of("supervisor", psutil.Process().pid), state="starting", full=full)

    def progress(step: str) -> None:
        nonlocal record
        record = replace(record, steps=(*record.steps, step))
        record.write(data_dir)

    try:
        with exclusive(data_dir), interruptible(signal.SIGTERM, signal.SIGINT):
            record.write(data_dir)
            with held(data_dir, full=full, on_progress=progress) as (addresses, processes):
                record = replace(record, state="ready", addresses=addresses, processes=processes)
                record.write(data_dir)
                try:
                    while True:
                        signal.pause()
                finally:
                    replace(record, state="stopping").write(data_dir)
    except KeyboardInterrupt:
        Record.remove(data_dir)
        return 0
    except (CommandError, NativeError) as error:
        replace(record, state="failed", error=str(error)).write(data_dir)
        return 1


def _await_ready(
    child: subprocess.Popen[bytes], data_dir: Path, *, log: Path, on_progress: Callable[[Record], None]
) -> Record:
    while True:
        ended = child.poll() is not None
        record = Record.read(data_dir)
        if record is not None and record.holder.pid == child.pid:
            on_progress(record)
            if record.state == "ready":
                return record
            if record.state == "failed":
                raise StackError(record.error or "The stack did not start.")
        if ended:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
            raise StackError(f"The stack ended while it started. The end of {log}:\n{tail}")
        time.sleep(_POLL_SECONDS)


def _await_end(process: ProcessRecord, data_dir: Path) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while process.alive:
        if time.monotonic() > deadline:
            raise StackError(
                f"{process.name} (pid {process.pid}) does not end. Its log is in {data_dir / 'logs'}; "
                f"to end it by force: kill -9 {process.pid}"
            )
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(hold(Path(sys.argv[1]), full="--full" in sys.argv[2:]))
