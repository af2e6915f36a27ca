"""Processes that start together and stop together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from voxtrace_services.native.errors import NativeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from voxtrace_services.native.process import Process


class Group:
    """
    Waves of processes: those of one wave start side by side, each wave after the one before is ready.

    A context manager: everything runs inside, nothing does after. Enter it from
    a thread that lives as long as the processes (see Process).

    Args:
        plan: makes the waves, at start.
        on_progress: told what happens, one short line at a time.
    """

    def __init__(
        self,
        plan: Callable[[], Sequence[Sequence[Process]]],
        *,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self._make_waves = plan
        self._say = on_progress or _silent
        self._waves: Sequence[Sequence[Process]] = ()

    @property
    def processes(self) -> tuple[Process, ...]:
        """Every process, in the order of its start."""
        return tuple(process for wave in self._waves for process in wave)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            # Ctrl-C included: whatever has started must not stay behind.
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Start every process and wait until each is ready.

        Raises:
            NativeError: when a part is missing, a port is taken or a process does not start.
        """
        self._waves = self._make_waves()
        for wave in self._waves:
            for process in wave:
                self._say(f"starting {process.name}")
                process.spawn()
            for process in wave:
                process.wait_ready()
                self._say(f"{process.name} is ready")

    def stop(self) -> None:
        """Stop every process, last started first; a second Ctrl-C kills the rest at once."""
        interrupted: KeyboardInterrupt | None = None
        for process in reversed(self.processes):
            if not process.running:
                continue
            try:
                if interrupted is None:
                    self._say(f"stopping {process.name}")
                    process.stop()
                else:
                    process.kill()
            except KeyboardInterrupt as error:
                interrupted = error
                process.kill()
        if interrupted is not None:
            raise interrupted

    def process(self, name: str) -> Process:
        """
        One process of the group.

        Raises:
            NativeError: when there is none of that name.
        """
        for process in self.processes:
            if process.name == name:
                return process
        names = ", ".join(process.name for process in self.processes)
        raise NativeError(f"There is no process {name!r} here; there are: {names}.")

    def kill(self, name: str, signal_number: int) -> None:
        """Send a signal to one process."""
        self.process(name).kill(signal_number)

    def restart(self, name: str) -> None:
        """Stop one process if it runs, start it and wait until it is ready."""
        process = self.process(name)
        process.stop()
        process.start()


def _silent(_line: str) -> None:
    pass
