"""What is measured beside spans, on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pika

from contract.messaging.adapters.registry import PULLING, adapters
from contract.messaging.test_batch import collect

if TYPE_CHECKING:
    from contract.messaging.bench import Bench


@adapters(without=PULLING)
def test_what_is_in_flight_is_counted(bench: Bench) -> None:
    """While messages are unsettled their number and the age of the oldest can be measured, by queue."""
    queue = bench.queue()
    end, collected = collect(bench, queue, 2)

    def measured(metric: str) -> float:
        (point,) = [p for p in bench.points(metric) if p.attributes["voxtrace.messaging.queue.name"] == queue]
        return point.value

    assert measured("voxtrace.messaging.in_flight") == 2
    assert 0 <= measured("voxtrace.messaging.in_flight.age") < 60
    end.channel.basic_ack(collected[-1][1].delivery_tag, multiple=True)
    bench.see(end, lambda: measured("voxtrace.messaging.in_flight") == 0, "settled messages are in flight")


@adapters()
def test_what_is_refused_is_counted(bench: Bench) -> None:
    """A header that could not be believed is counted under its name and what was wrong with it."""
    queue, sender, end = bench.queue(), bench.channel(), bench.open()
    headers = {"traceparent": 7, "baggage": "x" * 10_000}
    with bench.suppressed():
        sender.basic_publish("", queue, b"body", pika.BasicProperties(headers=headers))
    runs: list[int] = []
    end.consume(queue, lambda *_: runs.append(1), auto_ack=True)
    bench.until(end, lambda: runs, "the message was not delivered")
    points = bench.points("voxtrace.messaging.refused_headers")
    assert sum(point.value for point in points) == 2
