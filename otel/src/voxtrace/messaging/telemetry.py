"""The tracer and the instruments of one instrumentation of pika."""

from dataclasses import dataclass, field
from importlib import metadata
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, MeterProvider
from opentelemetry.trace import Tracer, TracerProvider
from opentelemetry.util.types import AttributeValue

from voxtrace import semconv
from voxtrace.messaging.configuration import Configuration
from voxtrace.messaging.destination import Destination
from voxtrace.messaging.selection import Selection

MAX_DESTINATIONS: Final = 200
"""Routing keys of topic exchanges may hold ids; past this many, metrics no longer name destinations."""

_NANOSECONDS: Final = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Telemetry:
    """Where spans and measurements of pika go; `enabled` is cleared when pika is put back."""

    tracer: Tracer
    sent: Counter
    consumed: Counter
    operation_duration: Histogram
    process_duration: Histogram
    wait_duration: Histogram
    refused_headers: Counter
    configuration: Configuration = field(default_factory=Configuration)
    selection: Selection = field(init=False)
    enabled: bool = True
    _destinations: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.selection = Selection(self.configuration)

    def refuse(self, header: str, reason: str) -> None:
        """Counts a header that is not believed: its `type`, `size` or `syntax` is wrong."""
        self.refused_headers.add(
            1, {semconv.VOXTRACE_HEADER_NAME: header, semconv.VOXTRACE_REFUSAL_REASON: reason}
        )

    def measured(
        self,
        attributes: dict[str, AttributeValue],
        destination: Destination,
        *,
        error_type: str | None = None,
    ) -> dict[str, AttributeValue]:
        """The few of a span's `attributes` that a metric may carry, with the destination's safe name."""
        kept = {name: attributes[name] for name in _METRIC_ATTRIBUTES if name in attributes}
        if destination.label in self._destinations or len(self._destinations) < MAX_DESTINATIONS:
            self._destinations.add(destination.label)
            kept[semconv.MESSAGING_DESTINATION_NAME] = destination.label
        if error_type is not None:
            kept[semconv.ERROR_TYPE] = error_type
        return kept


_METRIC_ATTRIBUTES: Final[tuple[str, ...]] = (
    semconv.MESSAGING_SYSTEM,
    semconv.MESSAGING_OPERATION_NAME,
    semconv.MESSAGING_OPERATION_TYPE,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
)


def build(
    tracer_provider: TracerProvider | None,
    meter_provider: MeterProvider | None,
    configuration: Configuration | None = None,
) -> Telemetry:
    """Telemetry to the given providers, or to the global ones."""
    version = _version()
    meter = metrics.get_meter("voxtrace.messaging", version, meter_provider, semconv.SCHEMA_URL)
    return Telemetry(
        tracer=trace.get_tracer("voxtrace.messaging", version, tracer_provider, semconv.SCHEMA_URL),
        sent=meter.create_counter(
            semconv.METRIC_SENT_MESSAGES, "{message}", "Messages a producer tried to send."
        ),
        consumed=meter.create_counter(
            semconv.METRIC_CONSUMED_MESSAGES, "{message}", "Messages delivered to a consumer."
        ),
        operation_duration=_histogram(
            meter,
            semconv.METRIC_MESSAGING_OPERATION_DURATION,
            "Time a publish took, to the broker's confirm if there is one.",
        ),
        process_duration=_histogram(
            meter, semconv.METRIC_PROCESS_DURATION, "Time from a message's delivery to its settlement."
        ),
        wait_duration=_histogram(
            meter,
            semconv.METRIC_WAIT_DURATION,
            "Time from a message's enqueueing to its delivery to a callback.",
        ),
        refused_headers=meter.create_counter(
            semconv.METRIC_REFUSED_HEADERS, "{header}", "Propagated headers that were not believed."
        ),
        configuration=configuration or Configuration(),
    )


def record(
    histogram: Histogram,
    nanoseconds: int,
    attributes: dict[str, AttributeValue],
    context: Context,
) -> None:
    """Records a span's length in seconds; `context` holds that span, so that an exemplar leads to it."""
    histogram.record(nanoseconds / _NANOSECONDS, attributes, context)


def _histogram(meter: metrics.Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(
        name, "s", description, explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS
    )


def _version() -> str:
    try:
        return metadata.version("voxtrace")
    except metadata.PackageNotFoundError:
        return ""
