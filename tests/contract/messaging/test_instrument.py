"""Tracing is put on and taken off without a trace of its own."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from contract.messaging.adapters.registry import PULLING, adapters
from contract.messaging.test_consume import acknowledge

if TYPE_CHECKING:
    from contract.messaging.bench import Bench

CLASSES = [
    "pika.adapters.blocking_connection:BlockingChannel",
    "pika.adapters.blocking_connection:BlockingConnection",
    "pika.adapters.select_connection:IOLoop",
    "pika.adapters.thread_safe_connection:Channel",
    "pika.adapters.thread_safe_connection:Connection",
    "pika.channel:Channel",
    "pika.connection:Connection",
]


def attributes() -> dict[str, dict[str, Any]]:
    """Everything that pika's classes hold, by identity."""
    found = {}
    for path in CLASSES:
        module, name = path.split(":")
        if find_spec(module) is not None:
            found[path] = dict(vars(getattr(import_module(module), name)))
    return found


def test_uninstrument_restores_pika_by_identity(bench: Bench) -> None:
    """After any number of rounds the classes hold what they held before, each the very same object."""
    bench.instrumentor.uninstrument()
    before = attributes()
    for _ in range(2):
        bench.instrument()
        during = attributes()
        assert any(
            value is not before[path].get(name) for path in during for name, value in during[path].items()
        )
        bench.instrumentor.uninstrument()
        after = attributes()
        assert [set(after[path]) for path in after] == [set(before[path]) for path in before]
        assert all(value is before[path][name] for path in after for name, value in after[path].items())


@adapters()
def test_after_uninstrument_an_open_end_goes_on_untraced(bench: Bench) -> None:
    """What is open publishes bare and takes messages, as if it had never been traced."""
    queue, end = bench.queue(), bench.open()
    end.publish(queue)
    runs: list[int] = []
    end.consume(queue, lambda *_: runs.append(1), auto_ack=True)
    bench.until(end, lambda: runs, "the message was not delivered")
    bench.exporter.clear()
    bench.instrumentor.uninstrument()
    end.publish(queue)
    bench.until(end, lambda: len(runs) == 2, "the message was not delivered")
    assert bench.names() == [], "a span after uninstrument()"


@adapters()
def test_one_channel_alone_can_be_traced(bench: Bench) -> None:
    """A channel instrumented by itself is traced, and no other; put back, it is what it was."""
    bench.instrumentor.uninstrument()
    queue, end, other = bench.queue(), bench.open(), bench.open()
    before = dict(vars(end.channel))
    bench.instrumentor.instrument_channel(end.channel, tracer_provider=bench.provider)
    end.publish(queue)
    bench.see(end, lambda: bench.produced(queue), "no PRODUCER span")
    runs: list[int] = []

    def work(channel: Any, method: Any, _properties: Any, _body: Any) -> None:
        runs.append(1)
        channel.basic_ack(method.delivery_tag)

    end.consume(queue, work)
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    bench.exporter.clear()
    other.publish(queue)
    bench.until(end, lambda: len(runs) == 2, "the message was not delivered")
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    assert bench.produced(queue) == []
    bench.exporter.clear()
    bench.instrumentor.uninstrument_channel(end.channel)
    end.publish(queue)
    bench.until(end, lambda: len(runs) == 3, "the message was not delivered")
    assert bench.names() == [], "a span after uninstrument_channel()"
    methods = {name for name in vars(end.channel) if name.startswith("basic_")}
    assert methods == {name for name in before if name.startswith("basic_")}


@adapters(without=PULLING)
def test_a_channel_is_never_traced_twice(bench: Bench) -> None:
    """Instrumented by itself twice, with all of pika traced too, a channel still makes one span of each."""
    queue, end = bench.queue(), bench.open()
    for _ in range(2):
        bench.instrumentor.instrument_channel(end.channel, tracer_provider=bench.provider)
    end.publish(queue)
    bench.see(end, lambda: bench.produced(queue), "no PRODUCER span")
    assert len(bench.produced(queue)) == 1, f"{len(bench.produced(queue))} PRODUCER spans for one publish"
    end.consume(queue, acknowledge)
    bench.see(end, lambda: bench.taken(queue), "no span for the message taken")
    assert len(bench.taken(queue)) == 1
    bench.instrumentor.uninstrument_channel(end.channel)
