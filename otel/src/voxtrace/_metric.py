"""A metric as the schema describes it, and the instruments that measure it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.metrics import (
        CallbackT,
        Counter,
        Histogram,
        Meter,
        ObservableCounter,
        ObservableGauge,
        UpDownCounter,
    )


@dataclass(frozen=True, slots=True)
class Metric:
    """
    A metric's name, unit and description.

    Attributes:
        buckets: The boundaries that a histogram asks for; None for other instruments.
    """

    name: str
    unit: str
    description: str
    buckets: tuple[float, ...] | None = None

    def histogram(self, meter: Meter) -> Histogram:
        """The histogram of the metric."""
        return meter.create_histogram(
            self.name, self.unit, self.description, explicit_bucket_boundaries_advisory=self.buckets
        )

    def counter(self, meter: Meter) -> Counter:
        """The counter of the metric."""
        return meter.create_counter(self.name, self.unit, self.description)

    def up_down_counter(self, meter: Meter) -> UpDownCounter:
        """The up-down counter of the metric."""
        return meter.create_up_down_counter(self.name, self.unit, self.description)

    def observable_counter(self, meter: Meter, observe: CallbackT) -> ObservableCounter:
        """The counter that is looked up at collection."""
        return meter.create_observable_counter(self.name, [observe], self.unit, self.description)

    def observable_gauge(self, meter: Meter, observe: CallbackT) -> ObservableGauge:
        """The gauge that is looked up at collection."""
        return meter.create_observable_gauge(self.name, [observe], self.unit, self.description)
