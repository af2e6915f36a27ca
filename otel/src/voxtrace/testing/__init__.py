"""
A pytest plugin that makes telemetry comparable, and a RabbitMQ in the test's own process.

It comes with the package and needs no set-up. The fixture `telemetry` has fixed
ids, a fixed clock, and spans as literals::

    def test_upload_is_traced(telemetry):
        with telemetry.tracer("shop").start_as_current_span("upload"):
            ...
        assert telemetry.spans() == [
            {"name": "upload", "trace": 1, "span": 1, "start": 1, "end": 2},
        ]

The providers are the test's own, passed on by hand; the global ones are never
set. A test that leaves a span open fails.

The fixture `in_memory_broker` is an `InMemoryBroker`, whose channels are traced
into `telemetry`::

    def test_worker(in_memory_broker, telemetry):
        channel = in_memory_broker.channel()
        channel.queue_declare("jobs")
        channel.basic_consume("jobs", work)
        channel.basic_publish("", "jobs", b"audio")
        in_memory_broker.drain()

How the broker is made, from the outside in:

- `broker`: what a test holds; the fixture.
- `connection`: pika's own connection, on a wire and a loop that are not there.
- `server`: lock, clock and sessions; `sessions`: a connection at the broker, AMQP in bytes.
- `channels`, `declarations`: what AMQP's methods do.
- `vhost`: where messages go; `queues`, `exchanges`, `messages`: what it is made of.
- `refusals`: how it says no.

All but `connection`, `sessions`, `channels` and `declarations` do without pika, which is loaded on use.
"""

from voxtrace.testing.broker import InMemoryBroker, in_memory_broker
from voxtrace.testing.captured import CapturedTelemetry, telemetry

__all__ = ["CapturedTelemetry", "InMemoryBroker", "in_memory_broker", "telemetry"]
