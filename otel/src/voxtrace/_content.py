"""
Keep what people said out of the export.

An exception quotes whatever went wrong: a transcript, a file name, a header.
Its type and the places it passed through are kept, its words are not, unless
``VOXTRACE_EXCEPTION_MESSAGES=true``. Some engines log what they are given: their
narration stays here, and of their warnings the words do, unless content is
switched on.
"""

import os
import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final, cast

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from voxtrace._capture import capturing

__all__ = ["EXCEPTION_MESSAGES", "ContentFreeLogExporter", "ContentFreeSpanExporter"]

#: Switches the words of exceptions on.
EXCEPTION_MESSAGES: Final = "VOXTRACE_EXCEPTION_MESSAGES"

_MESSAGE: Final = "exception.message"
_STACKTRACE: Final = "exception.stacktrace"
_FRAME: Final = re.compile(r'^ *File ".*", line \d+, in [\w.<>]+$')

#: Whose loggers quote the texts that they work on; Argos does so as a matter of course.
_QUOTING: Final = ("argostranslate", "piper")

#: Contrib's log instrumentation puts these on the record for formatters; OTLP has its own fields for them.
_CORRELATION: Final = frozenset({"otelSpanID", "otelTraceID", "otelTraceSampled", "otelServiceName"})


class ContentFreeSpanExporter(SpanExporter):
    """Export spans without the words of exceptions."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._as_is = _allowed()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export content-free copies; the spans themselves stay as they are."""
        return self._exporter.export(spans if self._as_is else [_without_words(span) for span in spans])

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)


class ContentFreeLogExporter(LogRecordExporter):
    """Export log records without the words of exceptions and without doubled trace ids."""

    def __init__(self, exporter: LogRecordExporter) -> None:
        self._exporter = exporter
        self._as_is = _allowed()

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Tidy the records, which are ours since they were emitted, and export them."""
        batch = batch if capturing() else [item for item in batch if not _narrates(item)]
        for item in batch:
            # In place: the SDK's bounded mapping also counts what was dropped.
            attributes = cast("MutableMapping[str, Any]", item.log_record.attributes or {})
            for name in _CORRELATION & attributes.keys():
                del attributes[name]
            if not self._as_is and _wordy(attributes):
                spared = _spared(attributes)
                for name in (_MESSAGE, _STACKTRACE):
                    attributes.pop(name, None)
                    if name in spared:
                        attributes[name] = spared[name]
        return self._exporter.export(batch)

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK left it untyped

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)


def _narrates(item: ReadableLogRecord) -> bool:
    """Tell whether an engine narrates its work; of what it warns of, take the words away."""
    scope = item.instrumentation_scope
    if scope is None or scope.name.partition(".")[0] not in _QUOTING:
        return False
    severity = item.log_record.severity_number
    if severity is None or severity.value < SeverityNumber.WARN.value:
        return True
    item.log_record.body = None
    return False


def _allowed() -> bool:
    return os.environ.get(EXCEPTION_MESSAGES, "").strip().lower() == "true"


def _without_words(span: ReadableSpan) -> ReadableSpan:
    if span.status.description is None and not any(_wordy(event.attributes or {}) for event in span.events):
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span._attributes,  # noqa: SLF001  # the bounded original knows how many were dropped
        events=[Event(event.name, _spared(event.attributes or {}), event.timestamp) for event in span.events],
        links=span._links,  # noqa: SLF001  # as above
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _wordy(attributes: Mapping[str, Any]) -> bool:
    return _MESSAGE in attributes or _STACKTRACE in attributes


def _spared(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes, with frames alone for a stack trace and no message."""
    spared = {key: value for key, value in attributes.items() if key != _MESSAGE}
    if isinstance(trace := spared.get(_STACKTRACE), str):
        spared[_STACKTRACE] = "\n".join(line for line in trace.splitlines() if _FRAME.match(line))
    return spared
