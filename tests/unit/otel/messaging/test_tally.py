"""Messages are counted for whoever collects measurements, once each, from any thread."""

from __future__ import annotations

import ast
import gc
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest
from opentelemetry.metrics import CallbackOptions
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from unit.otel.messaging.conftest import Wire as AWire
from unit.otel.messaging.test_instrumentor import run
from voxtrace.messaging import PikaInstrumentor
from voxtrace.messaging.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unit.otel.messaging.conftest import Seen


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_no_count_is_lost_between_threads(impatient: None) -> None:
    """Eight threads count 2,000 messages each."""
    tally = Tally()

    def count() -> None:
        for _ in range(2000):
            tally.add({"queue": "jobs"})

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (observed,) = tally.observe(CallbackOptions())
    assert (observed.value, observed.attributes) == (16_000, {"queue": "jobs"})


def test_counts_go_on_where_they_were_when_pika_is_instrumented_again(
    instrumented: PikaInstrumentor, seen: Seen
) -> None:
    """A collector sees a sum that only ever grows."""
    meters = instrumented._instrumentation.telemetry.meter_provider
    AWire().blocking.basic_publish("", "jobs", b"")
    instrumented.uninstrument()
    instrumented.instrument(meter_provider=meters)
    AWire().blocking.basic_publish("", "jobs", b"")
    assert [value for _, value in seen.metrics()["messaging.client.sent.messages"]] == [2]


PROXIED = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from voxtrace.messaging import PikaInstrumentor
from voxtrace.testing import InMemoryBroker

PikaInstrumentor().instrument()
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
channel = InMemoryBroker().channel()
channel.queue_declare("jobs")
channel.basic_publish("", "jobs", b"")
{again}
channel.basic_publish("", "jobs", b"")
channel.basic_consume("jobs", lambda *_: None)
channel.connection.process_data_events(0)
found = dict()
for resource in reader.get_metrics_data().resource_metrics:
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            if metric.name.endswith((".messages", ".in_flight")):
                found[metric.name] = sum(point.value for point in metric.data.data_points)
print(found)
"""


@pytest.mark.parametrize(
    "again",
    [
        "PikaInstrumentor().uninstrument(); PikaInstrumentor().instrument()",
        "PikaInstrumentor.instrument_channel(channel)",
    ],
    ids=["pika", "channel"],
)
def test_the_apis_own_provider_is_the_one_set_later(again: str) -> None:
    """Instrumented before and after the application sets its provider, messages are counted on."""
    counted = {
        "messaging.client.sent.messages": 2,
        "messaging.client.consumed.messages": 2,
        "voxtrace.messaging.in_flight": 2,
    }
    assert ast.literal_eval(run(PROXIED.format(again=again))) == counted


def test_a_provider_that_is_gone_leaves_no_tally() -> None:
    """Nothing of ours keeps a meter provider alive."""
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    instrumentor = PikaInstrumentor()
    instrumentor.instrument(meter_provider=provider)
    instrumentor.uninstrument()
    provider.shutdown()
    gone = weakref.ref(provider)
    del provider
    gc.collect()
    assert gone() is None
