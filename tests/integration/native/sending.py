"""Spans and logs of a made-up service, sent for real."""

from __future__ import annotations

from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode


def send(endpoint: str, *, service: str, count: int) -> list[tuple[str, str]]:
    """
    Send traces of one CONSUMER span each to an OTLP/HTTP endpoint; every third span has failed.

    Returns:
        The trace id and span id of each.
    """
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    tracer = provider.get_tracer("tests")
    sent = []
    for number in range(count):
        with tracer.start_as_current_span("process speech:transcribe", kind=SpanKind.CONSUMER) as span:
            if number % 3 == 0:
                span.set_status(StatusCode.ERROR)
        context = span.get_span_context()
        sent.append((f"{context.trace_id:032x}", f"{context.span_id:016x}"))
    provider.shutdown()
    return sent


def log(endpoint: str, *, service: str, body: str) -> None:
    """Send one log record to an OTLP/HTTP endpoint."""
    provider = LoggerProvider(resource=Resource.create({"service.name": service}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs")))
    provider.get_logger("tests").emit(LogRecord(body=body))
    provider.shutdown()
