"""The OpenTelemetry distro: what `opentelemetry-instrument` and `voxtrace.configure` set up."""

import logging
import os
import sys
from pathlib import PurePath
from typing import Any, Final, cast

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.instrumentation.dependencies import DependencyConflictError
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # its file opts out of types
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import OTELResourceDetector
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util._importlib_metadata import EntryPoint

from voxtrace import _last_resort, telemetry
from voxtrace._content import ContentFreeLogExporter, ContentFreeSpanExporter
from voxtrace._exporters import each_exporter_apart
from voxtrace._guard import report
from voxtrace._version import __version__
from voxtrace.export import LocalRootSpanProcessor

__all__ = ["VoxtraceConfigurator", "VoxtraceDistro"]

_logger = logging.getLogger("voxtrace")

#: Selects the RabbitMQ instrumentation; see `VoxtraceDistro.load_instrumentor`.
PIKA: Final = "VOXTRACE_PIKA"

_DEFAULTS: Final = {
    # gRPC channels do not survive a fork; HTTP does.
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_PROPAGATORS": "tracecontext,baggage",
    # Without it an attribute may hold a whole transcript.
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "4096",
    # What a killed process has ended but not sent is lost; this bounds it to half a second (ADR 003).
    "OTEL_BSP_SCHEDULE_DELAY": "500",
    # The only place where dropped spans show.
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "true",
    # The SDK's own default; but it takes an empty value for a filter, and gives up all metrics.
    "OTEL_METRICS_EXEMPLAR_FILTER": "trace_based",
    # The stable HTTP names; by default contrib still emits those of 2021.
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
    "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
}

_FASTAPI_EXCLUDED_URLS: Final = "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS"
_PROBES: Final = r"^\w+://[^/]*/health$,^\w+://[^/]*/metrics/?$"

#: Which of our instrumentations stands for which of upstream's.
_REPLACED: Final = {
    "voxtrace_fastapi": "fastapi",
    "voxtrace_pika": "pika",
    "voxtrace_process": "system_metrics",
}

#: The instrumentations with ``enabled: false`` in ``OTEL_CONFIG_FILE``; a process is configured once.
_switched_off: set[str] = set()


class VoxtraceDistro(BaseDistro):  # type: ignore[misc]  # as above
    """Defaults for the environment, and our instrumentations in place of upstream's."""

    def _configure(self, **_kwargs: object) -> None:
        for name, value in _DEFAULTS.items():
            # An empty variable counts as unset (OpenTelemetry specification, environment variables).
            os.environ[name] = os.environ.get(name) or value
        if "OTEL_PYTHON_EXCLUDED_URLS" not in os.environ:
            os.environ.setdefault(_FASTAPI_EXCLUDED_URLS, _PROBES)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """
        Load an instrumentation unless ours or upstream's takes its place.

        ``VOXTRACE_PIKA=upstream`` chooses opentelemetry-instrumentation-pika. The
        upstream names in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` switch ours off.
        One that fails to load is reported and skipped; the others load.
        """
        name = entry_point.name
        if _left_out(name) or not _switched_off.isdisjoint({name, _REPLACED.get(name, name)}):
            return
        if name == "logging":
            # Trace ids on every record, without touching the application's format.
            kwargs.setdefault("inject_trace_context", True)
        handlers = set(logging.getLogger().handlers)
        try:
            super().load_instrumentor(entry_point, **kwargs)
        except (DependencyConflictError, ImportError):
            raise  # a library that is not installed; the loader passes over it quietly
        except Exception as error:  # noqa: BLE001  # one broken instrumentation must not cost the rest
            report(f"load the instrumentation {name!r}", error)
        for handler in set(logging.getLogger().handlers) - handlers:
            _last_resort.keep(handler)


class VoxtraceConfigurator(_OTelSDKConfigurator):
    """
    The SDK's own set-up, with our exports and a bounded end.

    With ``OTEL_CONFIG_FILE`` the file decides everything but the bounded end, and
    which of two instrumentations of a library is loaded.
    """

    def _configure(self, **kwargs: Any) -> None:
        try:
            if file := os.environ.get("OTEL_CONFIG_FILE"):
                if not _configured_by(file):
                    super()._configure()  # type: ignore[no-untyped-call]  # the SDK left it untyped
            else:
                with each_exporter_apart():
                    super()._configure(  # type: ignore[no-untyped-call]  # as above
                        resource_attributes=_resource_attributes(
                            kwargs.pop("resource_attributes", None) or {}
                        ),
                        export_span_processor=_span_processor,
                        export_log_record_processor=_log_processor,
                        **kwargs,
                    )
        except Exception:
            # Raised, it would cost the instrumentations too, and with them the edge's distrust of strangers.
            _logger.exception(
                "Telemetry is not complete; the application runs on. Check the OTEL_* variables"
            )
        if cast("Context | None", propagate.extract({})) is None:
            propagate.set_global_textmap(_NoPropagation())
        telemetry.take_over()


class _NoPropagation(TextMapPropagator):
    """
    What a file without a `propagator` asks for, and ``OTEL_PROPAGATORS=none``.

    The SDK sets an empty composite there, whose `extract` returns None in place of
    a context, and contrib's ASGI middleware answers every request with 500.
    """

    @property
    def fields(self) -> set[str]:
        """No header."""
        return set()

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:  # noqa: ARG002  # the API's shape
        """Read nothing."""
        return Context() if context is None else context

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        """Write nothing."""


def _configured_by(file: str) -> bool:
    """Set up by a file; False where what reads it is not installed, which the SDK has words for."""
    try:
        from opentelemetry.configuration import configure_sdk, load_config_file  # noqa: PLC0415  # an extra
    except ImportError:
        return False
    configuration = load_config_file(file)
    instrumentation = configuration.instrumentation_development
    if instrumentation is not None and instrumentation.python:
        declared = instrumentation.python
        _switched_off.update(name for name, options in declared.items() if not options.get("enabled", True))
        # Configured by the file, one that is left out would be there beside the other.
        instrumentation.python = {name: options for name, options in declared.items() if not _left_out(name)}
    configure_sdk(configuration)
    return True


def _span_processor(exporter: Any) -> LocalRootSpanProcessor:
    return LocalRootSpanProcessor(BatchSpanProcessor(ContentFreeSpanExporter(exporter)))


def _log_processor(exporter: Any) -> BatchLogRecordProcessor:
    return BatchLogRecordProcessor(ContentFreeLogExporter(exporter))


def _resource_attributes(given: dict[str, str]) -> dict[str, str]:
    from_environment = OTELResourceDetector().detect().attributes
    attributes = {
        "service.name": _program_name(),
        **given,
        "telemetry.distro.name": "voxtrace",
        "telemetry.distro.version": __version__,
    }
    # Arguments would win over the environment in the SDK; who runs a service has the last word.
    return {key: value for key, value in attributes.items() if key not in from_environment}


def _program_name() -> str:
    """The script or module that runs, as a last resort for a service's name."""
    # sys.argv is not there yet when opentelemetry-instrument sets up from sitecustomize.
    arguments = iter(sys.orig_argv[1:])
    for argument in arguments:
        if argument == "-m":
            return next(arguments, "unknown_service").rpartition(".")[2]
        if argument == "-c":
            break
        if argument in {"-W", "-X"}:
            next(arguments, None)  # these take a value
        elif not argument.startswith("-"):
            return PurePath(argument).stem
    return "unknown_service"


def _left_out(name: str) -> bool:
    """Whether another instrumentation takes the place of this one, or its place is to stay empty."""
    if name == "system_metrics":
        # Whoever wants to watch the machine too switches ours off.
        return "voxtrace_process" not in _disabled()
    return name == _passed_over() or name == "fastapi" or _REPLACED.get(name) in _disabled()


def _passed_over() -> str:
    choice = os.environ.get(PIKA, "").strip().lower()
    if choice not in {"", "upstream", "voxtrace"}:
        report(f"use {PIKA}: say 'upstream' or leave it out", ValueError(choice))
    return "voxtrace_pika" if choice == "upstream" else "pika"


def _disabled() -> set[str]:
    names = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    return {name.strip() for name in names.split(",") if name.strip()}
