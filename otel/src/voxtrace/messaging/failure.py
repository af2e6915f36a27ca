"""How a failure shows on a span."""

import re
import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.trace import Span, StatusCode

from voxtrace import semconv
from voxtrace.messaging import names

NONE: Final[Mapping[str, Any]] = MappingProxyType({})

# RabbitMQ has one reply code for every broken precondition; only the text tells this one.
_CONSUMER_TIMEOUT = re.compile(r"delivery acknowledgement on channel \d+ timed out")
_PRECONDITION_FAILED: Final = 406

# Names of types and reasons, not sentences: this value is an attribute of metrics too.
_ERROR_TYPE = re.compile(r"[\w.:$-]{1,128}", re.ASCII)


def announced(headers: Mapping[Any, Any], arrived: Mapping[str, Any]) -> str | None:
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


def remarks(headers: Mapping[Any, Any]) -> Mapping[str, Any]:
    """The headers about a message's fate, as a copy; none where no failure is among them."""
    if names.HEADER_EXCEPTION_TYPE not in headers:
        return NONE
    return {key: value for key, value in headers.items() if isinstance(key, str) and key.startswith("x-")}


def closing(reason: object) -> str:
    """
    The error type of a message that was unsettled when its channel closed for `reason`.

    It is the name of pika's exception, which tells a lost heartbeat, a lost stream, and a close by the user
    or by the broker apart; that the broker's patience with a consumer ended has a name of its own.
    """
    if getattr(reason, "reply_code", None) == _PRECONDITION_FAILED:
        text = getattr(reason, "reply_text", None)
        if isinstance(text, str) and _CONSUMER_TIMEOUT.search(text):
            return names.ERROR_CONSUMER_TIMEOUT
    return type(reason).__qualname__


def error_type(error: BaseException) -> str:
    """The error type of an exception."""
    return type(error).__qualname__


def mark(span: Span, kind: str) -> None:
    """Makes `span` an error of the given type."""
    span.set_attribute(semconv.ERROR_TYPE, kind)
    span.set_status(StatusCode.ERROR)


def mark_exception(span: Span, error: BaseException) -> str:
    """
    Makes `span` an error of the exception's type, with an `exception` event; answers the error type.

    The exception's message stays out of it: messages quote file names and transcripts.
    """
    kind = error_type(error)
    mark(span, kind)
    span.add_event(
        "exception",
        {
            "exception.type": _qualified_name(type(error)),
            "exception.stacktrace": "".join(traceback.format_tb(error.__traceback__)),
        },
    )
    return kind


def _qualified_name(cls: type[BaseException]) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
