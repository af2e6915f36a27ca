"""Messages to and from opentelemetry-instrumentation-pika stay in one trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract.messaging.bench import Bench

UPSTREAM = Path(__file__).parent / "upstream.py"


def upstream(role: str, url: str, queue: str) -> tuple[str, set[str]]:
    """Run the upstream-instrumented program: the trace it was in, and its span ids."""
    result = subprocess.run(
        [sys.executable, UPSTREAM, role, url, queue], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    trace, *spans = result.stdout.split()
    return trace, set(spans)


def test_an_upstream_producers_trace_goes_on_here(bench: Bench) -> None:
    """Our process span is the child of the upstream send span, and linked to it."""
    queue = bench.queue()
    trace, sends = upstream("produce", bench.site, queue)
    channel = bench.channel()
    channel.basic_consume(queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    bench.run(channel, lambda: bench.spans(f"process {queue}"))
    process = bench.span(f"process {queue}")
    assert f"{process.context.trace_id:032x}" == trace
    assert f"{process.parent.span_id:016x}" in sends
    assert [f"{link.context.span_id:016x}" in sends for link in process.links] == [True]


def test_an_upstream_consumer_goes_on_with_our_trace(bench: Bench) -> None:
    """The upstream receive span is in the trace of our publish."""
    queue = bench.queue()
    bench.channel(confirm=True).basic_publish("", queue, b"body")
    trace, _ = upstream("consume", bench.site, queue)
    assert trace == f"{bench.span(f'publish {queue}').context.trace_id:032x}"
