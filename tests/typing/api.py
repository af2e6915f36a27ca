"""The public names as a user writes them; checked by mypy, never run."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span

import voxtrace
from voxtrace import audio, context, edge, errors, export, health, quality, testing
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


def depth() -> dict[str, int]:
    """A check may give details."""
    return {"depth": 3}


checks: dict[str, health.Check | health.Function] = {
    "broker": broker,
    "queue": health.Check(depth, interval=10, timeout=2),
    "amqp": health.Check(health.broker("amqp://127.0.0.1"), interval=30),
    "disk": health.disk("/", free_bytes=10**9, free_ratio=0.05),
}
server: health.HealthServer = health.serve(health.Health("asr", {"broker": broker}), port=0)
watched: dict[str, Any] = health.Health("asr", checks, folder="/", patience=1.0).report()
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
FasterWhisperInstrumentor().instrument(
    window_spans=8, thresholds=quality.configured(snr=15, languages=["en"])
)
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

measured: audio.AudioHealth = audio.measure([0.0, 0.5, -0.5], 16000)
verdicts: tuple[quality.Verdict, ...] = quality.of_audio(measured, quality.Thresholds(snr=15.0))
verdicts += quality.of_transcript(text="home", avg_logprob=-0.3, language="en", language_requested="en")
verdicts += quality.of_translation(character_count=40, translated_character_count=44, unknown_word_ratio=0.0)
verdicts += quality.of_synthesis(health=measured, character_count=44, audio_duration=3.0)
flags: list[str] = [verdict.name for verdict in verdicts if verdict.failed]
