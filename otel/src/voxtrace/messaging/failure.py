"""How a failure shows on a span."""

import re
import traceback
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Span, StatusCode

from voxtrace import semconv
from voxtrace.messaging import names

# Names of types and reasons, not sentences: this value is an attribute of metrics too.
_ERROR_TYPE = re.compile(r"[\w.:$-]{1,128}", re.ASCII)


def announced(headers: object, arrived: Mapping[str, Any]) -> str | None:
    """
    The error type that a message about to be published announces, if it does.

    `arrived` are the remarks of the message being processed. Published as they were they are only passed on,
    and say nothing about this processing. A republished failure changes or adds some, as the attempt or the
    reason, even where its type is that of the attempt before.
    """
    found = remarks(headers)
    value = found.get(names.HEADER_EXCEPTION_TYPE)
    if not isinstance(value, str) or not value or found.items() <= arrived.items():
        return None
    return value if _ERROR_TYPE.fullmatch(value) else names.ERROR_OTHER


def remarks(headers: object) -> dict[str, Any]:
    """The headers about a message's fate, as a copy; none where no failure is among them."""
    if not isinstance(headers, Mapping) or names.HEADER_EXCEPTION_TYPE not in headers:
        return {}
    return {key: value for key, value in headers.items() if isinstance(key, str) and key.startswith("x-")}


def mark(span: Span, error_type: str) -> None:
    """Makes `span` an error of the given type."""
    span.set_attribute(semconv.ERROR_TYPE, error_type)
    span.set_status(StatusCode.ERROR)


def mark_exception(span: Span, error: BaseException) -> str:
    """
    Makes `span` an error of the exception's type, with an `exception` event; answers the error type.

    The exception's message stays out of it: messages quote file names and transcripts.
    """
    error_type = type(error).__qualname__
    mark(span, error_type)
    span.add_event(
        "exception",
        {
            "exception.type": _qualified_name(type(error)),
            "exception.stacktrace": "".join(traceback.format_tb(error.__traceback__)),
        },
    )
    return error_type


def _qualified_name(cls: type[BaseException]) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
