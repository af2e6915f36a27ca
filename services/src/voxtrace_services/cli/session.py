"""A stack to work with for a while: the one that is up, a kept one, or a private one that ends with us."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from voxtrace_services.cli import supervisor
from voxtrace_services.cli.errors import StackError
from voxtrace_services.cli.record import Record, exclusive
from voxtrace_services.cli.stack import held, interruptible
from voxtrace_services.cli.steps import Steps
from voxtrace_services.native.install import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rich.console import Console


@contextmanager
def session(data_dir: Path, *, keep: bool, progress: Console) -> Iterator[Mapping[str, str]]:
    """
    Have a stack for the block; yields its addresses.

    Args:
        data_dir: where it keeps its data.
        keep: leave it running afterwards, as `voxtrace up` does.
        progress: where its start and stop are drawn.

    Raises:
        MissingPartError: when it cannot be started on this machine, with what to install.
        StackError: when it does not start.
    """
    record = Record.read(data_dir)
    if record is not None and record.alive:
        if record.state != "ready":
            raise StackError(f"The platform is {record.state}; try again in a moment (see: voxtrace status).")
        progress.print("Using the platform that is up.")
        yield record.addresses
        return
    require("demo")
    if keep:
        yield start_detached(data_dir, full=False, progress=progress).addresses
        return
    with exclusive(data_dir), interruptible(signal.SIGTERM, signal.SIGHUP), Steps(progress) as steps:
        progress.print("Starting the platform")
        with held(data_dir, full=False, on_progress=steps.tell) as (addresses, _):
            steps.pause()
            try:
                yield addresses
            except KeyboardInterrupt:
                progress.print(
                    "Interrupted: stopping the platform. What was uploaded goes on at its next start."
                )
                raise
            finally:
                steps.resume()


def start_detached(data_dir: Path, *, full: bool, progress: Console) -> Record:
    """
    Start a stack that outlives us, and draw its start.

    Raises:
        StackError: when it does not start.
    """
    progress.print("Starting the platform")
    told: list[str] = []
    with Steps(progress) as steps:

        def tell(record: Record) -> None:
            for line in record.steps[len(told) :]:
                told.append(line)
                steps.tell(line)

        return supervisor.start(data_dir, full=full, on_progress=tell)
