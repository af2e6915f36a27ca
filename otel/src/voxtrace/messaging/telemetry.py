"""The tracer and the instruments of one instrumentation of pika."""

from dataclasses import dataclass, field
from importlib import metadata
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider
from opentelemetry.trace import Tracer, TracerProvider

from voxtrace import semconv
from voxtrace.messaging.collection import takes
from voxtrace.messaging.configuration import Configuration
from voxtrace.messaging.former import Former
from voxtrace.messaging.history import Memory
from voxtrace.messaging.route import Attributes, Routes
from voxtrace.messaging.selection import Selection
from voxtrace.messaging.tally import Tally, tally

_NANOSECONDS: Final = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Telemetry:
    """
    Where spans and measurements of pika go.

    Attributes:
        enabled: Cleared when pika is put back, by `disable`.
        former: What is emitted under the names of older conventions too; None where only the new are wanted.
        memory: The attempts at messages that may come again.
        meter_provider: Who collects the measurements.
        measuring: Whether somebody does, as far as was asked.
    """

    tracer: Tracer
    meter: Meter
    meter_provider: MeterProvider
    sent: Tally
    returned: Counter
    consumed: Tally
    operation_duration: Histogram
    process_duration: Histogram
    wait_duration: Histogram
    prefetch_duration: Histogram
    refused_headers: Counter
    configuration: Configuration = field(default_factory=Configuration)
    selection: Selection = field(init=False)
    former: Former | None = None
    enabled: bool = True
    routes: Routes = field(default_factory=Routes)
    memory: Memory = field(default_factory=Memory)
    measuring: bool = False
    _looked: int = 0

    def __post_init__(self) -> None:
        self.selection = Selection(self.configuration)

    def disable(self) -> None:
        """Says that pika was put back: what wraps a wrapper of ours traces nothing."""
        self.enabled = False

    def look(self, now: int) -> bool:
        """
        Whether anybody takes measurements, `now` being the time in ns.

        A program may say who does after it said who takes spans; it is asked once a second until it has.
        """
        if not self.measuring and not 0 <= now - self._looked < _NANOSECONDS:
            self._looked = now
            self.measuring = takes(self.meter_provider) or takes(metrics.get_meter_provider())
        return self.measuring

    def refuse(self, header: str, reason: str) -> None:
        """Counts a header that is not believed: its `type`, `size` or `syntax` is wrong."""
        self.refused_headers.add(
            1,
            {
                semconv.VOXTRACE_MESSAGING_HEADER_NAME: header,
                semconv.VOXTRACE_MESSAGING_REFUSAL_REASON: reason,
            },
        )


def build(
    tracer_provider: TracerProvider | None,
    meter_provider: MeterProvider | None,
    configuration: Configuration | None = None,
) -> Telemetry:
    """Telemetry to the given providers, or to the global ones."""
    version = _version()
    configuration = configuration or Configuration()
    provider = meter_provider or metrics.get_meter_provider()
    meter = provider.get_meter("voxtrace.messaging", version, semconv.SCHEMA_URL)
    return Telemetry(
        tracer=trace.get_tracer("voxtrace.messaging", version, tracer_provider, semconv.SCHEMA_URL),
        meter=meter,
        meter_provider=provider,
        sent=tally(provider, meter, semconv.METRIC_MESSAGING_CLIENT_SENT_MESSAGES),
        returned=semconv.METRIC_VOXTRACE_MESSAGING_RETURNED_MESSAGES.counter(meter),
        consumed=tally(provider, meter, semconv.METRIC_MESSAGING_CLIENT_CONSUMED_MESSAGES),
        operation_duration=semconv.METRIC_MESSAGING_CLIENT_OPERATION_DURATION.histogram(meter),
        process_duration=semconv.METRIC_MESSAGING_PROCESS_DURATION.histogram(meter),
        wait_duration=semconv.METRIC_VOXTRACE_MESSAGING_WAIT_DURATION.histogram(meter),
        prefetch_duration=semconv.METRIC_VOXTRACE_MESSAGING_WAIT_PREFETCH_DURATION.histogram(meter),
        refused_headers=semconv.METRIC_VOXTRACE_MESSAGING_REFUSED_HEADERS.counter(meter),
        configuration=configuration,
        former=Former(meter) if configuration.dup else None,
    )


def record(histogram: Histogram, nanoseconds: int, attributes: Attributes, context: Context) -> None:
    """Records a span's length in seconds; `context` holds that span, so that an exemplar leads to it."""
    histogram.record(nanoseconds / _NANOSECONDS, attributes, context)


def _version() -> str:
    try:
        return metadata.version("voxtrace")
    except metadata.PackageNotFoundError:
        return ""
