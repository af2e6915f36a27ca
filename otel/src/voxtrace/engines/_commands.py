"""
Engines that are programs: one span per run, whatever of `subprocess` started it.

`Popen` itself is watched, because `run`, `check_output` and `call` all end there.
A run's span is written when the process has ended, dated back to its start: a
process that nobody waits for leaves no open span, and any other program costs
one look at its name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol
from weakref import WeakKeyDictionary

from opentelemetry import context as otel_context
from opentelemetry import trace

from voxtrace import semconv
from voxtrace._evaluation import announce
from voxtrace._guard import guarded
from voxtrace.engines._instrumentor import EngineInstrumentor, Patches, suppressed
from voxtrace.engines._operation import fail, labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from voxtrace.engines._instruments import Instruments
    from voxtrace.quality import Thresholds, Verdict

_TIMED_OUT: Final = subprocess.TimeoutExpired.__qualname__


@dataclass(frozen=True, slots=True)
class Request:
    """What a command line asks of an engine."""

    model: str | None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """One run of a program; what did not pass through `communicate` is None."""

    argv: list[str]
    folder: str | None = None
    input: str | bytes | None = None
    output: str | bytes | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run shows about itself once it has ended well."""

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    audio_seconds: float | None = None
    verdicts: tuple[Verdict, ...] = ()


class CommandEngine(Protocol):
    """A speech engine that is a program."""

    program: str
    provider: str
    operation: str

    def request(self, argv: list[str]) -> Request | None:
        """Read a command line; None when it is no speech work (a listing, a version)."""

    def outcome(self, run: Run, thresholds: Thresholds) -> Outcome:
        """Measure and judge a finished run."""


class CommandInstrumentor(EngineInstrumentor):
    """Instruments the runs of one program; a subclass says which."""

    engine: ClassVar[CommandEngine]

    def _apply(self, patches: Patches, instruments: Instruments, options: dict[str, Any]) -> None:  # noqa: ARG002
        program = self.engine.program
        _watch.add(program, self.engine, instruments)
        patches.undo(lambda: _watch.remove(program))


@dataclass(slots=True)
class _Watched:
    """A process of an engine, from its start until it is waited for."""

    engine: CommandEngine
    instruments: Instruments
    request: Request
    run: Run
    context: Context = field(default_factory=otel_context.get_current)
    began: int = field(default_factory=time.time_ns)
    started: float = field(default_factory=time.perf_counter)
    communicating: bool = False
    error_type: str | None = None


class _Watch:
    """The wrappers on `Popen`, shared by all programs so that each can go without the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._programs: dict[str, tuple[CommandEngine, Instruments]] = {}
        self._patches: Patches | None = None
        self._processes: WeakKeyDictionary[subprocess.Popen[Any], _Watched] = WeakKeyDictionary()

    def add(self, program: str, engine: CommandEngine, instruments: Instruments) -> None:
        """Watch the runs of a program."""
        with self._lock:
            self._programs[program] = (engine, instruments)
            if self._patches is None:
                self._patches = Patches()
                self._patches.wrap(subprocess.Popen, "__init__", self._start)
                self._patches.wrap(subprocess.Popen, "communicate", self._communicate)
                self._patches.wrap(subprocess.Popen, "wait", self._wait)

    def remove(self, program: str) -> None:
        """Stop watching a program; with the last one `Popen` is as it was."""
        with self._lock:
            self._programs.pop(program, None)
            if not self._programs and self._patches is not None:
                self._patches.withdraw()
                self._patches = None

    def _start(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        watched = self._recognize(args, kwargs)
        if watched is None:
            return wrapped(*args, **kwargs)
        try:
            wrapped(*args, **kwargs)
        except BaseException as error:
            watched.error_type = type(error).__qualname__
            _finish(watched, returncode=None)
            raise
        with guarded("watch a command-line engine"):
            self._processes[instance] = watched
        return None

    def _recognize(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Watched | None:
        with guarded("recognize a command-line engine"):
            command = args[0] if args else kwargs.get("args")
            if isinstance(command, str | bytes | os.PathLike):
                command = [command]
            if not isinstance(command, list | tuple) or not command:
                return None
            program = command[0]
            if not isinstance(program, str | bytes | os.PathLike):
                return None
            found = self._programs.get(os.path.basename(os.fsdecode(program)))  # noqa: PTH119  # on the path of every process start
            if found is None or suppressed():
                return None
            engine, instruments = found
            argv = [os.fsdecode(part) for part in command]
            request = engine.request(argv)
            if request is None:
                return None
            folder = kwargs.get("cwd")
            run = Run(argv, folder=os.fsdecode(folder) if folder is not None else None)
            return _Watched(engine=engine, instruments=instruments, request=request, run=run)
        return None

    def _communicate(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        watched = self._processes.get(instance)
        if watched is None:
            return wrapped(*args, **kwargs)
        data = args[0] if args else kwargs.get("input")
        if data is not None:
            watched.run.input = data
        watched.communicating = True  # it waits by itself; the output is known only after that
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            watched.error_type = type(error).__qualname__
            raise
        finally:
            watched.communicating = False
        watched.run.output = result[0]
        self._end(instance, watched)
        return result

    def _wait(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        result = wrapped(*args, **kwargs)
        watched = self._processes.get(instance)
        if watched is not None and not watched.communicating:
            self._end(instance, watched)
        return result

    def _end(self, process: subprocess.Popen[Any], watched: _Watched) -> None:
        with guarded("measure a command-line engine"):
            if self._processes.pop(process, None) is not None:
                _finish(watched, returncode=process.returncode)


_watch: Final = _Watch()


def _finish(watched: _Watched, *, returncode: int | None) -> None:
    """Write the span of a run, and its metrics."""
    with guarded("record a command-line engine"):
        seconds = time.perf_counter() - watched.started
        engine, request = watched.engine, watched.request
        shared = labels(engine.operation, provider=engine.provider, model=request.model)
        span = watched.instruments.tracer.start_span(
            f"{engine.operation} {request.model}" if request.model else engine.operation,
            context=watched.context,
            attributes={**shared, **request.attributes},
            start_time=watched.began,
        )
        error_type = _error_type(watched.error_type, returncode)
        outcome = Outcome()
        with guarded("measure the work of a command-line engine"):
            outcome = engine.outcome(watched.run, watched.instruments.thresholds)
        audio_seconds = outcome.audio_seconds if error_type is None else None
        span.set_attributes(dict(outcome.attributes))
        if returncode is not None:
            span.set_attribute(semconv.PROCESS_EXIT_CODE, returncode)
        if audio_seconds:
            span.set_attribute(semconv.SPEECH_AUDIO_DURATION, audio_seconds)
            span.set_attribute(semconv.SPEECH_REAL_TIME_FACTOR, seconds / audio_seconds)
        if error_type is not None:
            fail(span, error_type)
        context = trace.set_span_in_context(span, watched.context)
        watched.instruments.record(
            shared, seconds=seconds, audio_seconds=audio_seconds, error_type=error_type, context=context
        )
        # By the monotonic clock, so that span and metric agree when the wall clock is set meanwhile.
        end = watched.began + round(seconds * 1e9)
        with guarded("judge a command-line engine"):
            announce(
                outcome.verdicts if error_type is None else (),
                span=span,
                counter=watched.instruments.quality_flags,
                labels=shared,
                context=context,
                timestamp=end,
            )
        span.end(end)


def _error_type(raised: str | None, returncode: int | None) -> str | None:
    """Name what went wrong: what Python raised, else the signal or the bad exit of the program."""
    if returncode == 0 and raised == _TIMED_OUT:
        return None  # one `communicate` was too impatient, the process ended well all the same
    if raised is not None or not returncode:
        return raised
    if returncode > 0:
        return subprocess.CalledProcessError.__qualname__
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"
