"""What every engine instrumentor shares: on once, off again, and never a trace left behind."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import wrapt
from opentelemetry import context as otel_context

from voxtrace._guard import guarded
from voxtrace.stages.instruments import Instruments

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from voxtrace.quality import Thresholds

    #: What wrapt calls: (wrapped, instance, args, kwargs).
    Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]

_SUPPRESSION_KEYS = (
    # The API's key has a name that is unique to the process and no public spelling.
    otel_context._SUPPRESS_INSTRUMENTATION_KEY,  # noqa: SLF001
    "suppress_instrumentation",
)
_lock = threading.Lock()


def suppressed() -> bool:
    """Tell whether instrumentation is switched off in the current context."""
    return any(otel_context.get_value(key) for key in _SUPPRESSION_KEYS)


class _BoundReplacement(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # generic in wrapt's stubs alone
    """A replaced method of an object."""

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        # As bound methods are pickled, which wrapt refuses: for another process, which need not have us.
        return getattr, (self._self_instance, self.__name__)


class _Replacement(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # as above
    """What stands in the place of an engine's function."""

    __bound_function_wrapper__ = _BoundReplacement

    def __reduce_ex__(self, _protocol: Any) -> str:
        # As functions are pickled: by their name, under which the other process finds its own.
        return self.__qualname__


class Patches:
    """Attributes replaced by wrappers, and how to put the originals back."""

    def __init__(self) -> None:
        self.active = True
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner: Any, name: str, wrapper: Wrapper, *copies: tuple[Any, str]) -> None:
        """
        Replace `owner.name` by a wrapper that steps aside once these patches are withdrawn.

        Args:
            owner: A class or a module.
            name: The name of a function in it.
            wrapper: What to call in its place.
            copies: Owners and names that the function was imported to; one replacement stands in all of them.
        """
        made: dict[int, _Replacement] = {}
        for place, label in ((owner, name), *copies):
            with guarded(f"instrument {getattr(place, '__name__', place)}.{label}"):
                original = vars(place)[label]
                if id(original) not in made:
                    made[id(original)] = _Replacement(original, wrapper, lambda: self.active)
                self._replace(place, label, original, made[id(original)])

    def _replace(self, owner: Any, name: str, original: Any, replacement: Any) -> None:
        setattr(owner, name, replacement)

        def restore() -> None:
            # Where others wrapped ours since, it stays inside theirs, and is silent.
            if vars(owner).get(name) is replacement:
                setattr(owner, name, original)

        self.undo(restore)

    def undo(self, action: Callable[[], None]) -> None:
        """Have the action run when these patches are withdrawn, last one first."""
        self._undo.append(action)

    def withdraw(self) -> None:
        """Put every original back."""
        self.active = False
        while self._undo:
            self._undo.pop()()


class EngineInstrumentor(ABC):
    """
    An OpenTelemetry instrumentor that needs the API alone.

    It has the methods of `opentelemetry.instrumentation.instrumentor.BaseInstrumentor`
    that distros and applications call. All instances of a class are one, so that
    `Instrumentor().uninstrument()` works without keeping the first instance.
    """

    #: Name of the tracer and the meter.
    scope: ClassVar[str]
    _patches: ClassVar[Patches | None] = None

    def instrument(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        thresholds: Thresholds | None = None,
        **options: Any,
    ) -> None:
        """
        Instrument the engine, now or as soon as it is imported; a second call changes nothing.

        Args:
            tracer_provider: The global one by default.
            meter_provider: The global one by default.
            thresholds: What its work is judged by; by default, `voxtrace.quality.configured()`.
            options: Of the engine at hand.
        """
        cls = type(self)
        with _lock:
            if cls._patches is not None:
                return
            cls._patches = patches = Patches()
        with guarded(f"instrument {self.scope}"):
            instruments = Instruments.create(
                self.scope,
                tracer_provider=tracer_provider,
                meter_provider=meter_provider,
                thresholds=thresholds,
            )
            self._apply(patches, instruments, options)

    def uninstrument(self, **_: Any) -> None:
        """Put the engine's own functions back; without a prior `instrument` nothing happens."""
        cls = type(self)
        with _lock:
            patches, cls._patches = cls._patches, None
        if patches is not None:
            with guarded(f"uninstrument {self.scope}"):
                patches.withdraw()

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether the engine is instrumented, or will be when it is imported."""
        cls = type(self)
        return cls._patches is not None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name no requirement: an engine that is absent is left alone."""
        return ()

    @abstractmethod
    def _apply(self, patches: Patches, instruments: Instruments, options: dict[str, Any]) -> None:
        """Note every replacement of the engine's functions in `patches`."""
