"""OpenTelemetry for speech pipelines: one trace per upload, across RabbitMQ, into the engines."""

from voxtrace._version import __version__
from voxtrace.telemetry import Telemetry, configure

__all__ = ["Telemetry", "__version__", "configure"]
