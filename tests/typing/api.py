"""The public names as a user writes them; checked by mypy, never run."""

from __future__ import annotations

import voxtrace
from voxtrace import context, edge, errors, export, health, testing
from voxtrace.engines import ApertiumInstrumentor, EspeakNgInstrumentor, FasterWhisperInstrumentor
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

PikaInstrumentor().instrument()
PikaInstrumentor().uninstrument()
FasterWhisperInstrumentor().instrument(window_spans=8)
ApertiumInstrumentor().instrument()
EspeakNgInstrumentor().uninstrument()
edge.FastAPIInstrumentor().instrument(trusted_senders=["10.0.0.0/8"])
holding: type[export.LocalRootSpanProcessor] = export.LocalRootSpanProcessor

rabbit = testing.InMemoryBroker(clock=lambda: 0.0, on_channel=PikaInstrumentor.instrument_channel)
rabbit.channel().queue_declare("jobs")
rabbit.advance(seconds=0.5)
rabbit.drain()
rabbit.close()
