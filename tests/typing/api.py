"""The public names as a user writes them; checked by mypy, never run."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span

import voxtrace
from voxtrace import context, edge, errors, export, health, testing
from voxtrace.engines import (
    ApertiumInstrumentor,
    EspeakNgInstrumentor,
    FasterWhisperInstrumentor,
    OpenAIWhisperInstrumentor,
)
from voxtrace.messaging import PikaInstrumentor

telemetry: voxtrace.Telemetry = voxtrace.configure("asr", resource_attributes={"deployment.environment": "x"})
flushed: bool = telemetry.force_flush(timeout=2.0)
stopped: bool = telemetry.shutdown()

carrier: dict[str, str] = context.capture()
with context.attached(carrier):
    trace_id: str | None = context.trace_id()


def broker() -> None:
    """A check fails by raising."""
    raise errors.HealthCheckError("not connected")


server: health.HealthServer = health.serve(health.Health("asr", {"broker": broker}), port=0)
port: int = server.port
server.close()


def announce(span: Span, method: Any, properties: Any, body: bytes) -> None:
    """A hook may name its arguments' types."""
    span.set_attribute("bytes", len(body))


def conclude(
    span: Span, method: Any, properties: Any, body: bytes, outcome: str | BaseException | None
) -> None:
    """The outcome is a settlement, an exception or nothing."""
    span.set_attribute("failed", isinstance(outcome, BaseException))


PikaInstrumentor().instrument()
PikaInstrumentor().instrument(
    correlation="link",
    settle_spans="all",
    wait_spans=False,
    untrusted_queues=["edge.*"],
    excluded_queues={"health"},
    excluded_exchanges=("amq.*",),
    baggage_keys=["job.*"],
    dup=True,
    publish_hook=announce,
    process_hook=announce,
    response_hook=conclude,
)
PikaInstrumentor().uninstrument()
FasterWhisperInstrumentor().instrument(window_spans=8)
OpenAIWhisperInstrumentor().instrument(window_spans=8, gpu_timing="off")
ApertiumInstrumentor().instrument()
EspeakNgInstrumentor().uninstrument()
edge.FastAPIInstrumentor().instrument(trusted_senders=["10.0.0.0/8"])
holding: type[export.LocalRootSpanProcessor] = export.LocalRootSpanProcessor

rabbit = testing.InMemoryBroker(clock=lambda: 0.0, on_channel=PikaInstrumentor.instrument_channel)
rabbit.channel().queue_declare("jobs")
rabbit.advance(seconds=0.5)
rabbit.drain()
rabbit.close()
