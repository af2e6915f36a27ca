"""Set telemetry up with one line, and flush it within a bounded time."""

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from opentelemetry import _logs, metrics, trace

from voxtrace._crew import Crew
from voxtrace._guard import guarded, report
from voxtrace._termination import flush_on_sigterm

__all__ = ["Telemetry", "configure"]

#: Seconds that telemetry may hold up the end of the process.
FLUSH_TIMEOUT = "VOXTRACE_FLUSH_TIMEOUT"
_DEFAULT_FLUSH_TIMEOUT = 5.0

_logger = logging.getLogger("voxtrace")
_lock = threading.RLock()
_current: "Telemetry | None" = None


class _Provider(Protocol):
    """What the three providers of the SDK have in common."""

    def force_flush(self) -> bool: ...

    def shutdown(self) -> None: ...


class Telemetry:
    """
    The process's telemetry, once it is set up.

    Both calls give up after `timeout` seconds, whatever the Collector does, and
    both may be called from any thread, at exit and from a signal handler.
    """

    def __init__(self, providers: Mapping[str, _Provider]) -> None:
        self._providers = dict(providers)
        self._crew = Crew(*self._providers)

    def force_flush(self, timeout: float = _DEFAULT_FLUSH_TIMEOUT) -> bool:
        """Send what has ended so far; False if that was not possible in time."""
        return self._crew.run(
            {name: provider.force_flush for name, provider in self._providers.items()}, timeout
        )

    def shutdown(self, timeout: float = _DEFAULT_FLUSH_TIMEOUT) -> bool:
        """
        Send what is left and stop; False if that was not possible in time.

        Spans whose local root is still open are sent as well. A second call does
        nothing and returns True. Telemetry cannot be set up again in this process.
        """
        providers, self._providers = self._providers, {}
        for provider in providers.values():
            # The SDK would do it again at exit, and knows no deadline there.
            atexit.unregister(provider.shutdown)
        return self._crew.run({name: provider.shutdown for name, provider in providers.items()}, timeout)


def configure(
    service_name: str | None = None,
    *,
    resource_attributes: Mapping[str, str] | None = None,
) -> Telemetry:
    """
    Set up telemetry as `opentelemetry-instrument` would, and return it.

    Call it first in `main`; frameworks imported earlier are instrumented all the
    same. A second call changes nothing and returns what is there, as does a call
    under `opentelemetry-instrument`. No failure to set up stops the application.

    Args:
        service_name: The `service.name`; ``OTEL_SERVICE_NAME`` wins over it, so
            that whoever runs the service can rename it.
        resource_attributes: More of what describes this process; the variable
            ``OTEL_RESOURCE_ATTRIBUTES`` wins over them.
    """
    with _lock:
        if _current is None:
            with guarded("set up telemetry"):
                _set_up(service_name, resource_attributes or {})
        telemetry = _current or take_over()
    _warn_if_named_differently(service_name)
    return telemetry


def take_over() -> Telemetry:
    """Bound the end of the providers that are now in place; the configurator calls it too."""
    global _current  # noqa: PLW0603  # OpenTelemetry's providers are one per process, so this is
    with _lock:
        if _current is None:
            telemetry = Telemetry(_sdk_providers())
            timeout = _flush_timeout()

            def finish() -> None:
                telemetry.shutdown(timeout)

            atexit.register(finish)
            flush_on_sigterm(finish)
            _current = telemetry
        return _current


def _set_up(service_name: str | None, resource_attributes: Mapping[str, str]) -> None:
    # The SDK is imported on use: `import voxtrace.messaging` must not cost it.
    try:
        from opentelemetry.instrumentation.auto_instrumentation._load import _load_instrumentors  # noqa: PLC0415

        from voxtrace.distro import VoxtraceConfigurator, VoxtraceDistro  # noqa: PLC0415
    except ImportError as error:
        _logger.warning(
            "No telemetry: %s is not installed. Install voxtrace with its extra `distro`", error.name
        )
        return
    distro = VoxtraceDistro()
    distro.configure()
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        attributes = {**resource_attributes, **({"service.name": service_name} if service_name else {})}
        configurator = VoxtraceConfigurator()  # type: ignore[no-untyped-call]  # the SDK left it untyped
        configurator.configure(resource_attributes=attributes)  # type: ignore[no-untyped-call]  # as above
    else:
        _logger.warning("A tracer provider is set already: Voxtrace adds its instrumentations to it.")
    _load_instrumentors(distro)  # type: ignore[no-untyped-call]  # contrib left it untyped


def _sdk_providers() -> dict[str, _Provider]:
    """The global providers, less those that the application replaced by something without an end."""
    found: dict[str, Callable[[], object]] = {
        "traces": trace.get_tracer_provider,
        "metrics": metrics.get_meter_provider,
        "logs": _logs.get_logger_provider,
    }
    providers = {name: get() for name, get in found.items()}
    return {
        name: cast("_Provider", provider)
        for name, provider in providers.items()
        if hasattr(provider, "shutdown") and hasattr(provider, "force_flush")
    }


def _flush_timeout() -> float:
    try:
        return max(0.0, float(os.environ.get(FLUSH_TIMEOUT, _DEFAULT_FLUSH_TIMEOUT)))
    except ValueError as error:
        report(f"read {FLUSH_TIMEOUT}: give seconds, such as 5", error)
        return _DEFAULT_FLUSH_TIMEOUT


def _warn_if_named_differently(service_name: str | None) -> None:
    resource = getattr(trace.get_tracer_provider(), "resource", None)
    actual = resource.attributes.get("service.name") if resource is not None else None
    if service_name is not None and actual is not None and actual != service_name:
        _logger.info("Telemetry runs under the service name %r, not %r", actual, service_name)
