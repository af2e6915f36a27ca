"""What is replaced in pika, and how it is put back."""

import threading
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import Any, ClassVar, Final, Self, Unpack

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from voxtrace._guard import guarded
from voxtrace.messaging.configuration import Declaration, Options, resolve
from voxtrace.messaging.patches import Instrumentation, of_channel, of_pika
from voxtrace.messaging.telemetry import build

_INSTRUMENTED: Final = "_voxtrace_messaging"
"""Where an instrumented channel holds its instrumentation, so that it lives no longer than the channel."""


class PikaInstrumentor:
    """
    Traces every pika channel of the process; there is one instrumentor, and its methods may be called again.

    It has the shape of OpenTelemetry's `BaseInstrumentor`, which it does not inherit: that would tie it to
    one exact release of the contrib packages.
    """

    configuration: ClassVar[type[Declaration]] = Declaration
    """What reads our options in OTEL_CONFIG_FILE; opentelemetry-configuration asks for it by this name."""

    _instance: Self | None = None
    _lock = threading.RLock()
    _instrumentation: Instrumentation | None

    def __new__(cls) -> Self:
        """The one instrumentor."""
        with cls._lock:
            if cls._instance is None:
                instance = super().__new__(cls)
                instance._instrumentation = None
                cls._instance = instance
            return cls._instance

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """True while pika is traced."""
        return self._instrumentation is not None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The pika releases this was tried with."""
        return ("pika >= 1.4.4, < 2",)

    def instrument(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        declared: Mapping[str, object] | None = None,
        skip_dep_check: bool = False,  # noqa: ARG002 - loaders pass this and the next to every instrumentor
        raise_exception_on_conflict: bool = False,  # noqa: ARG002 - as above
        **options: Unpack[Options],
    ) -> None:
        """
        Starts tracing; does nothing where pika is absent or traced already.

        `declared` is what a configuration file says; `options` win over the environment and the file.

        Raises:
            TypeError: There is no such option.
        """
        configuration = resolve(options, declared)
        with self._lock:
            if self._instrumentation is not None or find_spec("pika") is None:
                return
            with guarded("replace the methods of pika"):
                instrumentation = Instrumentation(build(tracer_provider, meter_provider, configuration))
                instrumentation.apply(of_pika(instrumentation))
                self._instrumentation = instrumentation

    def uninstrument(self, **_options: object) -> None:
        """Puts pika back and ends the spans still open; existing consumers go on untraced."""
        with self._lock:
            instrumentation, self._instrumentation = self._instrumentation, None
            if instrumentation is not None:
                instrumentation.revert()

    @classmethod
    def instrument_channel(
        cls,
        channel: Any,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        **options: Unpack[Options],
    ) -> None:
        """
        Traces one channel, of any adapter or any object with a channel's methods, until it is put back.

        It does nothing for a channel that was given to it before. Where all of pika is traced too, the
        channel's own providers and options are used, and nothing is traced twice.

        Raises:
            TypeError: There is no such option.
        """
        configuration = resolve(options)
        with cls._lock, guarded("replace the methods of a channel"):
            if _INSTRUMENTED not in vars(channel):
                instrumentation = Instrumentation(build(tracer_provider, meter_provider, configuration))
                patches = of_channel(channel, instrumentation)
                setattr(channel, _INSTRUMENTED, instrumentation)
                instrumentation.apply(patches)

    @classmethod
    def uninstrument_channel(cls, channel: Any) -> None:
        """Puts back the methods of a channel given to `instrument_channel`, and ends its open spans."""
        with cls._lock, guarded("put back the methods of a channel"):
            instrumentation = vars(channel).pop(_INSTRUMENTED, None)
            if instrumentation is not None:
                instrumentation.revert()
