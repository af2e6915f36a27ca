"""JSON logs on stderr: one line per event, with its trace and span, and without the words of exceptions."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import IO, TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import ExcInfo

# What instrumentation-logging puts on records, and what it means where logs are read.
_INJECTED = {"otelTraceID": "trace_id", "otelSpanID": "span_id"}
_DROPPED = ("otelServiceName", "otelTraceSampled", "taskName")
# What an earlier handler's formatter leaves on the record.
_RENDERED = ("message", "asctime")
_NONE = "0"

#: The library's switch for the words of exceptions, obeyed here as in what it exports.
EXCEPTION_MESSAGES = "VOXTRACE_EXCEPTION_MESSAGES"
# The innermost ones: endless recursion would fill the line with one frame.
_FRAMES = 30

#: Libraries that narrate their own work. pika calls every lost connection an error,
#: with a stack; what it means is said by who reconnects.
_QUIET = {
    "pika": logging.CRITICAL,
    "faster_whisper": logging.WARNING,
    "httpx": logging.WARNING,
    # It quotes what it cannot pronounce; what fails is raised all the same.
    "piper": logging.CRITICAL,
    # A long stack is cut for export, which the exporting handler cannot say without recursing.
    "opentelemetry.attributes": logging.ERROR,
    "urllib3": logging.WARNING,
}


def configure(service: str, *, level: int = logging.INFO, stream: IO[str] | None = None) -> None:
    """
    Send every stdlib log record to `stream` as one line of JSON.

    Fields are given by `extra={...}`; trace_id and span_id are there when the record
    was written inside a span. Of an exception the types and the places are written; its
    words, which may quote what people said or sent, only if VOXTRACE_EXCEPTION_MESSAGES=true.

    Args:
        service: The value of the `service` field.
        level: The least severe level to write.
        stream: Where to write; stderr by default.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(service))
    root = logging.getLogger()
    for old in [
        old for old in root.handlers if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter)
    ]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


def type_name(error: BaseException) -> str:
    """The name of an error's type, with its module unless that is Python's own."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _formatter(service: str) -> structlog.stdlib.ProcessorFormatter:
    def name_service(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            name_service,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _name_trace,
            structlog.processors.format_exc_info if _wordy() else _format_places,
            structlog.processors.JSONRenderer(default=str),
        ],
    )


def _name_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for injected, name in _INJECTED.items():
        value = event.pop(injected, _NONE)
        if value not in {_NONE, None}:
            event[name] = value
    for key in (*_DROPPED, *_RENDERED):
        event.pop(key, None)
    return event


def _wordy() -> bool:
    return os.environ.get(EXCEPTION_MESSAGES, "").strip().lower() == "true"


def _places(exc_info: ExcInfo) -> str:
    """A traceback without its words: causes first; of each error the frames, innermost last, and the type."""
    chain: list[BaseException] = []
    error: BaseException | None = exc_info[1]
    while error is not None and not any(error is earlier for earlier in chain):
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(line for error in reversed(chain) for line in (*_frames(error), type_name(error)))


def _frames(error: BaseException) -> list[str]:
    frames = list(traceback.walk_tb(error.__traceback__))[-_FRAMES:]
    return [f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}:{line}" for frame, line in frames]


_format_places = structlog.processors.ExceptionRenderer(_places)
