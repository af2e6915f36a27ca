"""JSON logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import NoReturn

import pytest
from sqlalchemy.exc import OperationalError

from voxtrace_services.core import logs

SPOKEN = "the patient said"


@pytest.fixture(name="stream")
def _stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    monkeypatch.delenv("VOXTRACE_EXCEPTION_MESSAGES", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("asr", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """What was written, but for its time."""
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert all(line.pop("timestamp").endswith("Z") for line in written)
    return written


def test_one_line_per_event(stream: io.StringIO) -> None:
    """An event is one line of JSON with its extra fields."""
    logging.getLogger("voxtrace.test").info("done\nand done", extra={"job_id": "j", "seconds": 0.5})
    assert lines(stream) == [
        {
            "event": "done\nand done",
            "level": "info",
            "logger": "voxtrace.test",
            "service": "asr",
            "job_id": "j",
            "seconds": 0.5,
        }
    ]


def test_trace_ids(stream: io.StringIO) -> None:
    """What instrumentation-logging injects is rendered as trace_id and span_id."""
    extra = {
        "otelTraceID": "a" * 32,
        "otelSpanID": "b" * 16,
        "otelTraceSampled": True,
        "otelServiceName": "x",
    }
    logging.getLogger("voxtrace.test").warning("in a span", extra=extra)
    [line] = lines(stream)
    assert (line["trace_id"], line["span_id"]) == ("a" * 32, "b" * 16)
    assert not [key for key in line if key.startswith("otel")]


def test_outside_a_span(stream: io.StringIO) -> None:
    """Outside of spans there are no ids, rather than zeros."""
    logging.getLogger("voxtrace.test").warning("out", extra={"otelTraceID": "0", "otelSpanID": "0"})
    [line] = lines(stream)
    assert "trace_id" not in line
    assert "span_id" not in line


def fail(error: Exception) -> NoReturn:
    """Raise `error` because of another one."""
    try:
        {}[SPOKEN]
    except KeyError as cause:
        raise error from cause


def log_failure(error: Exception) -> None:
    """Log what `fail` raises."""
    try:
        fail(error)
    except Exception:
        logging.getLogger("voxtrace.test").exception("work failed")


def test_exception(stream: io.StringIO) -> None:
    """An exception is a field of its line: types and places, causes first, and not a word of it."""
    log_failure(ValueError(SPOKEN))
    [line] = lines(stream)
    first = fail.__code__.co_firstlineno
    log = log_failure.__code__.co_firstlineno + 3
    assert str(line["exception"]).splitlines() == [
        f"{__file__}:fail:{first + 3}",
        "KeyError",
        f"{__file__}:log_failure:{log}",
        f"{__file__}:fail:{first + 5}",
        "ValueError",
    ]
    assert SPOKEN not in stream.getvalue()


def test_parameters_of_a_statement(stream: io.StringIO) -> None:
    """What SQLAlchemy was given, an Idempotency-Key say, does not come out with its errors."""
    log_failure(OperationalError("INSERT INTO jobs VALUES (:key)", {"key": SPOKEN}, Exception(SPOKEN)))
    [line] = lines(stream)
    assert str(line["exception"]).endswith("\nsqlalchemy.exc.OperationalError")
    assert SPOKEN not in stream.getvalue()


def test_exception_without_a_place(stream: io.StringIO) -> None:
    """An exception that was never raised, or that is its own cause, is its type."""
    error = ValueError(SPOKEN)
    error.__context__ = KeyError(SPOKEN)
    error.__context__.__context__ = error
    logging.getLogger("voxtrace.test").error("odd", exc_info=error)
    assert lines(stream)[0]["exception"] == "KeyError\nValueError"


def test_words_on_request(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """VOXTRACE_EXCEPTION_MESSAGES=true brings the whole traceback."""
    monkeypatch.setenv("VOXTRACE_EXCEPTION_MESSAGES", "true")
    wordy = io.StringIO()
    logs.configure("asr", stream=wordy)
    log_failure(ValueError(SPOKEN))
    assert f"ValueError: {SPOKEN}" in str(lines(wordy)[0]["exception"])


def test_twice(stream: io.StringIO) -> None:
    """Configuring again replaces, so that no event is written twice."""
    again = io.StringIO()
    logs.configure("asr", stream=again)
    logging.getLogger("voxtrace.test").info("once")
    assert stream.getvalue() == ""
    assert len(lines(again)) == 1


def test_pika_is_quiet(stream: io.StringIO) -> None:
    """A lost connection is told once, by who reconnects."""
    logging.getLogger("pika.adapters.base_connection").error("connection_lost")
    assert stream.getvalue() == ""
