"""Tests that the words of exceptions do not leave the process."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import (
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from voxtrace._content import EXCEPTION_MESSAGES, ContentFreeLogExporter, ContentFreeSpanExporter

SPOKEN = "the patient said"


def _failing_span() -> Sequence[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ContentFreeSpanExporter(exporter)))
    with (
        pytest.raises(ValueError, match=SPOKEN),
        provider.get_tracer("test").start_as_current_span("decode", attributes={"kept": 1}),
    ):
        raise ValueError(SPOKEN)
    return exporter.get_finished_spans()


def _failing_record() -> Sequence[ReadableLogRecord]:
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(ContentFreeLogExporter(exporter)))
    provider.get_logger("test").emit(
        LogRecord(
            body="decoding failed",
            attributes={
                "exception.type": "ValueError",
                "exception.message": SPOKEN,
                "exception.stacktrace": f'Trace:\n  File "a.py", line 1, in f\n    x\nValueError: {SPOKEN}',
                "otelTraceID": "1",
                "job": 7,
            },
        )
    )
    return exporter.get_finished_logs()


def test_a_span_keeps_the_kind_and_the_place_of_an_exception() -> None:
    """The exception's type and frames are exported; its message and the status text are not."""
    (span,) = _failing_span()
    assert SPOKEN not in span.to_json()
    (event,) = span.events
    attributes = dict(event.attributes or {})
    assert attributes.pop("exception.stacktrace").startswith('  File "')  # type: ignore[union-attr]  # it is text
    assert attributes == {"exception.type": "ValueError", "exception.escaped": "False"}
    assert dict(span.attributes or {}) == {"kept": 1}
    assert not span.status.is_ok
    assert span.status.description is None


def test_the_words_can_be_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting on, spans and logs are exported as they are."""
    monkeypatch.setenv(EXCEPTION_MESSAGES, "true")
    (span,) = _failing_span()
    assert span.status.description == f"ValueError: {SPOKEN}"
    (item,) = _failing_record()
    assert (item.log_record.attributes or {})["exception.message"] == SPOKEN


def test_a_span_without_an_exception_is_passed_on_as_it_is() -> None:
    """Nothing is copied where there is nothing to leave out."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ContentFreeSpanExporter(exporter)))
    with provider.get_tracer("test").start_as_current_span("decode") as span:
        span.add_event("started", {"kept": True})
    (exported,) = exporter.get_finished_spans()
    assert dict(exported.events[0].attributes or {}) == {"kept": True}


def test_a_log_record_keeps_the_kind_and_the_place_of_an_exception() -> None:
    """The record goes out with the exception's type and frames, its own attributes and no doubled ids."""
    (item,) = _failing_record()
    assert dict(item.log_record.attributes or {}) == {
        "exception.type": "ValueError",
        "exception.stacktrace": '  File "a.py", line 1, in f',
        "job": 7,
    }


def test_both_exporters_pass_on_flush_and_shutdown() -> None:
    """Flush and shutdown reach the exporter behind."""
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    for outer in (ContentFreeSpanExporter(spans), ContentFreeLogExporter(logs)):
        assert outer.force_flush() is True
        outer.shutdown()
    assert spans._stopped
    assert logs._stopped


def _engine_logs() -> list[tuple[str | None, object]]:
    """Log as engines do, and return the severity and the body of what is exported."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(ContentFreeLogExporter(exporter)))
    for name in ("argostranslate.utils", "piper.voice", "app"):
        for severity in (SeverityNumber.DEBUG, SeverityNumber.INFO, SeverityNumber.WARN):
            record = LogRecord(body=SPOKEN, severity_number=severity, severity_text=severity.name)
            provider.get_logger(name).emit(record)
    return [(item.log_record.severity_text, item.log_record.body) for item in exporter.get_finished_logs()]


def test_engines_that_log_what_they_are_given_are_not_quoted() -> None:
    """What Argos and Piper narrate is not exported; their warnings are, without their words."""
    own = [(severity, SPOKEN) for severity in ("DEBUG", "INFO", "WARN")]
    assert _engine_logs() == [("WARN", None), ("WARN", None), *own]


def test_engines_are_quoted_where_content_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With content switched on, their records are exported as they are."""
    monkeypatch.setenv("VOXTRACE_CAPTURE_CONTENT", "true")
    assert _engine_logs() == [(severity, SPOKEN) for _ in range(3) for severity in ("DEBUG", "INFO", "WARN")]
